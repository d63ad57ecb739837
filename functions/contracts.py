"""The shapes that travel: between the states, into JobsTable and into the manifest.

Types only: no function checks them while it runs. A test compares them with the JSON schemas beside this file.
Moments are ISO 8601 in UTC with milliseconds.
"""

from typing import Literal, NotRequired, Required, TypedDict

Format = Literal["avif", "webp", "jpeg", "png"]  # of a rendition
SourceFormat = Literal["jpeg", "png", "webp", "gif", "avif", "heic", "tiff"]
Gamut = Literal["srgb", "p3"]  # p3: Display P3
Status = Literal["QUEUED", "PROCESSING", "SUCCEEDED", "REJECTED", "FAILED", "SUPERSEDED", "DELETED"]  # of a job


# One version of an uploaded object.
class SourceVersion(TypedDict):
    bucket: str
    key: str  # <SourcePrefix><path>
    version_id: str  # "null" in a bucket that was never versioned


# What the uploader gave with an object, as x-amz-meta-focus and x-amz-meta-alt: decoded, and not checked. Both are text
# of at most 2,048 characters without control characters; a field is absent if its header is.
class Given(TypedDict, total=False):
    focus: str
    alt: str


# A source version as S3 describes it.
class Source(SourceVersion):
    etag: str  # without quotes
    size: int  # bytes
    modified: str  # moment, in whole seconds; for the record, as the next one: nothing is decided by it
    sequencer: NotRequired[str]  # of the S3 event
    given: NotRequired[Given]


# The rights that a source's XMP, IPTC or EXIF states: on one line each.
class Rights(TypedDict, total=False):
    creator: list[str]
    credit: str  # whom to name
    copyright: str
    licence: str  # URL
    licensor: str  # URL: where to get a licence


# A signed C2PA manifest in a source. It signs these bytes and no others: no rendition carries it.
class C2pa(TypedDict):
    bytes: int


# A place in the upright picture, in fractions of its width and height from the top left.
class Point(TypedDict):
    x: float
    y: float


Region = tuple[float, float, float, float]  # left, top, right, bottom: fractions as of a Point


# What ValidateImage learned about an image, as far as everybody may know it.
class PublicFacts(TypedDict):
    format: SourceFormat
    width: int  # pixels, as displayed
    height: int  # pixels, as displayed
    orientation: int  # EXIF, 1 to 8, as stored; 1 for HEIC
    frames: int
    has_alpha: bool
    mode: str  # Pillow's name for the kind of pixels
    rights: NotRequired[Rights]
    digital_source_type: NotRequired[str]  # how the picture was made: a URI of IPTC's, as a rule
    alt: NotRequired[str]  # alternative text: given with the upload, or the file's own
    c2pa: NotRequired[C2pa]
    focus: NotRequired[Point]  # what matters most: as given with the upload, or the middle of the regions


# What ValidateImage learned about an image.
class ImageFacts(PublicFacts):
    regions: NotRequired[list[Region]]  # faces and the like, marked in the file; absent if the upload gave a focus


# The box of a rendition. `inside` needs one side, the other fits need both.
class Size(TypedDict):
    width: NotRequired[int]  # pixels
    height: NotRequired[int]  # pixels
    fit: Literal["inside", "cover", "contain"]
    gravity: Literal["auto", "center", "focus"]  # of `cover`
    background: NotRequired[str]  # of `contain`: "#rrggbb" or "transparent"


# A filter. Its arguments are further fields: see engine.filters and the schema.
class FilterStep(TypedDict):
    filter: str


# A rendition of a named size, after a chain of filters.
class FilteredRendition(TypedDict):
    size: str
    filters: list[FilterStep]
    formats: list[Format]


# A text or an image, on every rendition that is wide enough.
class Watermark(TypedDict):
    min_width: int  # pixels
    text: NotRequired[str]
    image: NotRequired[str]  # a file in functions/watermarks
    font: NotRequired[str]  # a file in functions/watermarks
    color: str  # "#rrggbb"
    position: str  # "top-left" to "bottom-right"
    opacity: float  # 0 to 1
    scale: float  # part of the rendition's width
    margin: float  # part of the rendition's shorter side


# A score that the encoder's quality is chosen for, picture by picture.
class Target(TypedDict):
    target: float  # SSIMULACRA2
    floor: int  # on the encoder's own scale


# The encoders' own scales, or targets.
class Quality(TypedDict):
    avif: int | Target  # 1 to 100
    webp: int | Target  # 1 to 100
    jpeg: int | Target  # 1 to 95


# The most bytes of a file; None: no bound.
class MaxBytes(TypedDict):
    avif: int | None
    webp: int | None
    jpeg: int | None


# The time that the encoders spend on saving bytes.
class Effort(TypedDict):
    avif: int | None  # 0 to 10; None: by the number of pixels
    webp: int  # 0 to 6
    png: int  # 0 to 6


# What ValidateImage accepts.
class Limits(TypedDict):
    formats: list[SourceFormat]
    bytes: int
    pixels: int  # width times height
    side: int  # pixels
    memory: int | None  # MiB for decoding; None: what the function has
    seconds: int  # of CPU, for the first decode
    frames: int
    film_pixels: int  # width times height times frames, of an animation that is kept
    film_seconds: int  # of playing, likewise
    scans: int  # of a progressive JPEG
    chunks: int  # parts of the file's structure


# Which recipe, and which state of it: the hash covers all that shapes the files: fields, watermarks, ENGINE_VERSION.
class RecipeRef(TypedDict):
    name: str
    hash: str  # 16 hex digits


# A recipe as pipeline.recipes resolves it: checked, with every default filled in.
class Recipe(RecipeRef):
    sizes: dict[str, Size]
    formats: list[Format]
    filtered: dict[str, FilteredRendition]
    quality: Quality
    max_bytes: MaxBytes
    never_larger: Literal["source", "smaller", "no"]
    gamut: Gamut
    animation: Literal["first", "keep"]
    effort: Effort
    background: str  # "#rrggbb", behind transparency where a format has none
    watermark: Watermark | None
    picture_sizes: str  # the sizes attribute in the manifest's <picture>
    keep: list[Literal["rights", "ai", "alt"]]
    limits: Limits


# recipes.json, resolved.
class Recipes(TypedDict):
    recipes: dict[str, Recipe]
    routes: dict[str, str]  # key prefix, with SourcePrefix -> name of a recipe


# One attempt at one source version: the input of an execution.
class Job(TypedDict):
    job_id: str  # 24 hex digits, the same for the same source version
    execution_name: str  # <job_id>-<round>-<attempt>
    round: int  # from 1: a redrive or a changed recipe opens another
    attempt: int  # within the round, from 1; 0 for a version whose set stood already
    max_attempts: int
    deadline: int  # epoch seconds after which OptimizeImage must not begin: the lease could end before it does
    asked_at: NotRequired[str]  # moment of the upload, or of bringing it back; absent if a backfill found the source
    source: Source
    recipe: RecipeRef


# What ResizeImage or ApplyFilters hands on to OptimizeImage.
class Intermediate(TypedDict):
    key: str | None  # under work/; None where the recipe asks for nothing
    renditions: dict[str, tuple[int, int]]  # name -> width, height in pixels


# Why a source was refused.
class Refusal(TypedDict):
    code: str  # a key of engine.rejection.SENTENCES
    reason: str  # one sentence for the uploader, in ASCII


# By what a source was refused: the refusal counts for this recipe and this memory, and for no other.
class Judge(TypedDict):
    recipe: str  # its hash
    memory: int  # MB that ValidateFunction has


# Why an attempt failed.
class Failure(TypedDict):
    code: str  # the error's name
    reason: str
    state: str | None  # None: the run ended outside of any state; StartExecution: it was not started
    at: NotRequired[str]  # moment


# A finished set in figures.
class Result(TypedDict):
    manifest_key: str
    renditions: int  # files
    bytes_in: int
    bytes_out: int


# ValidateImage's answer about a source that it accepts.
class Accepted(TypedDict):
    valid: Literal[True]
    image: ImageFacts
    recipe: Recipe


# ValidateImage's answer about a source that it refuses. It is also the attempt's outcome.
class Rejected(TypedDict):
    valid: Literal[False]
    status: Literal["REJECTED"]
    rejection: Refusal
    judge: Judge


# The outcome of an attempt that finished its set.
class Succeeded(TypedDict):
    status: Literal["SUCCEEDED"]
    result: Result


# The outcome of an attempt that broke.
class Failed(TypedDict):
    status: Literal["FAILED"]
    state: str
    error: dict[str, str]  # Error and Cause, as Step Functions hands them to a Catch; a Lambda's Cause is JSON


Outcome = Succeeded | Rejected | Failed


# What is told about an attempt without a set. It is recorded before it is published, and the first one counts.
class Decision(TypedDict):
    status: Literal["REJECTED", "FAILED"]
    code: str
    reason: str
    judge: NotRequired[Judge]  # of REJECTED
    last_failure: NotRequired[Failure]  # of FAILED


# What ValidateImage is handed.
class JobEvent(TypedDict):
    job: Job


# What ResizeImage and ApplyFilters are handed.
class BranchEvent(JobEvent):
    image: ImageFacts
    recipe: Recipe


# What OptimizeImage is handed, after both branches.
class OptimizeEvent(BranchEvent):
    intermediates: list[Intermediate]


# What NotifySuccess and NotifyError are handed.
class NotifyEvent(TypedDict):
    job: Job
    outcome: Outcome


# What NotifySuccess and NotifyError answer: how the record stands now.
class Closed(TypedDict):
    status: Status
    code: NotRequired[str | None]
    reason: NotRequired[str | None]


# A job in JobsTable. One that was never run has only the fields that jobs.retire writes.
class Record(TypedDict, total=False):
    source_key: Required[str]
    item: Required[str]  # job#<version_id>
    schema_version: int
    job_id: str
    status: Status
    attention: Status  # the same, but absent for SUCCEEDED: the index by_status lists the records that have it
    source: Source | SourceVersion
    recipe: RecipeRef
    round: int
    attempt: int
    execution_name: str  # of the attempt that owns the record: no other may close it
    asked_at: str  # moment, as all that end in _at: see Job
    queued_at: str
    started_at: str
    updated_at: str
    finished_at: str
    code: str  # of REJECTED and FAILED
    reason: str
    judge: Judge  # of REJECTED
    below: str  # of REJECTED: the version to look at next; this judge has refused all between
    decision: Decision  # of an open record: what is being told
    last_failure: Failure
    result: Result
    expires_at: int  # epoch seconds: the table's TTL


# An animation among the files of a set.
class Playing(TypedDict, total=False):
    frames: int
    duration_ms: int  # once through


# One file of a set: a rendition in one format.
class Rendition(Playing):
    name: str
    key: str  # processed/<path>/<name>.<extension>
    format: Format
    content_type: str
    width: int  # pixels
    height: int  # pixels
    bytes: int
    sha256: str  # 64 hex digits
    gamut: NotRequired[Gamut]  # absent for sRGB


# What a page shows until the image has loaded.
class Placeholder(TypedDict):
    blurhash: str
    thumbhash: str  # Base64
    css: str  # a value for `background`: gradients
    color: str  # the dominant one, "#rrggbb"


# The source in a manifest, which is public: without the bucket's name.
class ManifestSource(PublicFacts):
    key: str
    version_id: str
    etag: str
    size: int  # bytes
    given: NotRequired[Given]


# processed/<path>/manifest.json: the set of one source.
class Manifest(TypedDict):
    schema_version: int
    job_id: str
    round: int
    attempt: int
    created_at: str  # moment
    source: ManifestSource
    recipe: RecipeRef
    placeholder: Placeholder
    renditions: list[Rendition]
    srcset: dict[Format, str]  # the value of a srcset attribute, per format
    picture: str  # a <picture> element
    digest: str  # SHA-256 of all other fields


# A backfill, or a count of what it would do: what each call of BackfillFunction is told about it.
class Run(TypedDict):
    name: str  # of its execution, and of its figures in JobsTable
    sends: bool  # False: only count
    most: int  # photos to ask for, in all; 0 for no bound


# An object as a Distributed Map lists it.
class Listed(TypedDict):
    Key: str
    Etag: str  # in quotes
    Size: int  # bytes
    StorageClass: str


# One item of a Distributed Map.
class Item(TypedDict):
    run: Run
    object: Listed


# What BackfillFunction is handed. The local emulator knows no batches: it hands one Item alone.
class BatchEvent(TypedDict):
    Items: list[Item]


# What one call of BackfillFunction found. The figures of a backfill are the sums, see backfill.figures.
class Found(TypedDict):
    batches: int
    listed: int  # objects
    bytes: int  # of these
    standing: int  # whose set stands
    archived: int  # which cannot be read without being restored
    no_source: int  # folder markers and litter
    sent: int  # photos that were asked for or, in a count, would be
    sent_bytes: int  # of these
    outputs: int  # files that these will have
    intermediates: int  # that these will leave for a moment
    over: int  # photos beyond the bound
