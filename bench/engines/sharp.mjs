// sharp as a careful user writes it: one decode for the largest size, the others from its raw pixels, each encoded once
// a format.
import { createRequire } from "node:module";
import { mkdirSync, readFileSync, writeFileSync } from "node:fs";

const [, , jobFile, modules] = process.argv;
const sharp = createRequire(`${modules}/`)("sharp");
const FIT = { inside: "inside", cover: "cover" };

async function pixels(pipeline) {
  const { data, info } = await pipeline.toColourspace("srgb").raw().toBuffer({ resolveWithObject: true });
  const raw = { width: info.width, height: info.height, channels: info.channels };
  return () => sharp(data, { raw });
}

async function run({ source, out, sizes, gray, settings }) {
  mkdirSync(out, { recursive: true });
  const write = async (name, format, image) => {
    const { efforts, ...options } = settings[format];
    const effort = efforts ? { effort: efforts[name] } : {};
    writeFileSync(`${out}/${name}.${format}`, await image.toFormat(format, { ...options, ...effort }).toBuffer());
  };
  const byArea = Object.entries(sizes).sort(([, a], [, b]) => b.width * b.height - a.width * a.height);
  const resized = (image, { width, height, fit }) =>
    image.resize({ width, height, fit: FIT[fit], withoutEnlargement: true });
  let largest;
  for (const [name, size] of byArea) {
    const image = await pixels(resized(largest ? largest() : sharp(readFileSync(source)).autoOrient(), size));
    largest ??= image;
    for (const format of Object.keys(settings)) {
      await write(name, format, image());
    }
    if (name === gray.size) {
      await write("grayscale", "webp", image().grayscale().linear(gray.contrast, 127.5 * (1 - gray.contrast)));
    }
  }
}

const job = JSON.parse(readFileSync(jobFile));
await run({ ...job, source: job.warmup, out: `${job.out}/warmup` });
const before = process.cpuUsage();
await run(job);
const { user, system } = process.cpuUsage(before);
console.log(JSON.stringify({ cpu: (user + system) / 1e6, version: sharp.versions.sharp }));
