"""The shapes that travel: between the states, into JobsTable, the manifest and the messages.

They are types only: nothing checks them while a function runs. recipes.schema.json and manifest.schema.json say the
same to the outside, and a test compares both. Moments are ISO 8601 in UTC with milliseconds (see pipeline.clock).
"""

from typing import Literal, NotRequired, Required, TypedDict

Format = Literal["avif", "webp", "jpeg", "png"]  # of a rendition
SourceFormat = Literal["jpeg", "png", "webp", "gif", "avif", "heic", "tiff"]
Status = Literal["QUEUED", "PROCESSING", "SUCCEEDED", "REJECTED", "FAILED", "SUPERSEDED", "DELETED"]  # of a job

# ----------------------------------------------------------------------- source


class SourceVersion(TypedDict):
    """One version of an uploaded object."""

    bucket: str
    key: str  # raw/<path>
    version_id: str  # "null" in a bucket that was never versioned


class Source(SourceVersion):
    """A source version as S3 describes it."""

    etag: str  # without quotes
    size: int  # bytes
    sequencer: NotRequired[str]  # of the S3 event, as a fact: nothing is decided by it


class Rights(TypedDict, total=False):
    """What a recipe with keep_copyright keeps of a source's EXIF."""

    artist: str
    copyright: str


class ImageFacts(TypedDict):
    """What ValidateImage learned of an image."""

    format: SourceFormat
    width: int  # pixels, as displayed
    height: int  # pixels, as displayed
    orientation: int  # EXIF, 1 to 8, as stored
    frames: int
    has_alpha: bool
    mode: str  # Pillow's name for the kind of pixels
    rights: NotRequired[Rights]


class ManifestSource(Source, ImageFacts):
    """A source as its manifest describes it."""


# ----------------------------------------------------------------------- recipe


class Size(TypedDict):
    """A rendition's box. `inside` needs one side, the others both."""

    width: NotRequired[int]  # pixels
    height: NotRequired[int]  # pixels
    fit: NotRequired[Literal["inside", "cover", "contain"]]  # inside, unless said
    background: NotRequired[str]  # of `contain`: "#rrggbb" or "transparent"


class FilterStep(TypedDict):
    """A filter by name; its arguments are further fields (engine.filters, and the schema)."""

    filter: str


class FilteredRendition(TypedDict):
    """A rendition of the size named, after a chain of filters."""

    size: str
    filters: list[FilterStep]
    formats: list[Format]


class Watermark(TypedDict):
    """A text or a picture that every rendition wide enough carries."""

    min_width: int  # pixels
    text: NotRequired[str]
    image: NotRequired[str]  # a file in functions/watermarks
    font: NotRequired[str]  # a file in functions/watermarks
    color: NotRequired[str]  # "#rrggbb"
    position: str  # "top-left" to "bottom-right"
    opacity: float  # 0 to 1
    scale: float  # of the rendition's width
    margin: float  # of the rendition's shorter side


class Quality(TypedDict):
    """The encoders' own scales."""

    avif: int  # 1 to 100
    webp: int  # 1 to 100
    jpeg: int  # 1 to 95


class Effort(TypedDict):
    """How much time the encoders spend on fewer bytes."""

    avif: int | None  # 0 to 10; None: by the number of pixels
    webp: int  # 0 to 6
    png: int  # 0 to 6


class Limits(TypedDict):
    """What ValidateImage accepts."""

    formats: list[SourceFormat]
    bytes: int
    pixels: int  # width times height
    side: int  # pixels
    memory: int | None  # MiB that decoding may take; None: what the function has
    seconds: int  # of CPU, for the first decode
    frames: int
    scans: int  # of a progressive JPEG
    chunks: int  # parts of the file's structure


class RecipeRef(TypedDict):
    """Which recipe, and in which state: the hash changes with whatever shapes the outputs."""

    name: str
    hash: str  # 16 hex digits


class Recipe(RecipeRef):
    """A recipe as `pipeline.recipes` resolves it: checked, with every default filled in."""

    sizes: dict[str, Size]
    formats: list[Format]
    filtered: dict[str, FilteredRendition]
    quality: Quality
    effort: Effort
    background: str  # "#rrggbb", behind transparency where a format has none
    watermark: Watermark | None
    keep_copyright: bool
    limits: Limits


class Recipes(TypedDict):
    """recipes.json, resolved."""

    recipes: dict[str, Recipe]
    routes: dict[str, str]  # key prefix → name of a recipe


# ---------------------------------------------------------------------- attempt


class Job(TypedDict):
    """One attempt at one source version: the input of an execution."""

    job_id: str  # 24 hex digits, the same for the same source version
    execution_name: str  # <job_id>-<round>-<attempt>
    round: int  # from 1; a redrive or a changed recipe begins another
    attempt: int  # within the round, from 1; 0 for a version whose set stood already
    max_attempts: int
    source: Source
    recipe: RecipeRef


class Intermediate(TypedDict):
    """What ResizeImage or ApplyFilters hands on to OptimizeImage."""

    key: str | None  # under work/; None where the recipe asks for nothing
    renditions: dict[str, tuple[int, int]]  # name → width, height in pixels


class Refusal(TypedDict):
    """Why a source was refused."""

    code: str  # a key of engine.rejection.SENTENCES
    reason: str  # one sentence for the uploader, in ASCII


class Failure(TypedDict):
    """Why an attempt failed."""

    code: str  # the error's name
    reason: str
    state: str | None  # None: the run ended outside of any
    at: NotRequired[str]  # moment


class Result(TypedDict):
    """What became of a finished source."""

    manifest_key: str
    renditions: int
    bytes_in: int
    bytes_out: int


class Accepted(TypedDict):
    """ValidateImage's answer about a good source."""

    valid: Literal[True]
    image: ImageFacts
    recipe: Recipe


class Rejected(TypedDict):
    """ValidateImage's answer about a source that it refuses; an outcome as it is."""

    valid: Literal[False]
    status: Literal["REJECTED"]
    rejection: Refusal


class Succeeded(TypedDict):
    """The outcome of an attempt that wrote its set."""

    status: Literal["SUCCEEDED"]
    result: Result


class Failed(TypedDict):
    """The outcome of an attempt that broke."""

    status: Literal["FAILED"]
    state: str
    error: dict[str, str]  # Error and Cause, as Step Functions hands them to a Catch; a Lambda's Cause is JSON


Outcome = Succeeded | Rejected | Failed


class Closed(TypedDict):
    """NotifySuccess's and NotifyError's answer: how the record stands now."""

    status: Status
    code: NotRequired[str | None]
    reason: NotRequired[str | None]


# ------------------------------------------------------------ what each function is handed


class ValidateEvent(TypedDict):
    """To ValidateImage."""

    job: Job


class BranchEvent(ValidateEvent):
    """To ResizeImage and ApplyFilters."""

    recipe: Recipe


class OptimizeEvent(BranchEvent):
    """To OptimizeImage."""

    image: ImageFacts
    intermediates: list[Intermediate]


class NotifyEvent(TypedDict):
    """To NotifySuccess and NotifyError."""

    job: Job
    outcome: Outcome


# ----------------------------------------------------------------- what is kept


class Record(TypedDict, total=False):
    """A job in JobsTable. A version that was never run has no more than it needs to be accounted for."""

    source_key: Required[str]
    item: Required[str]  # job#<version_id>
    schema_version: int
    job_id: str
    status: Status
    attention: Status  # the status again, but for SUCCEEDED: the index by_status holds what has it
    source: Source
    recipe: RecipeRef
    round: int
    attempt: int
    execution_name: str  # the owner: who may change the record
    queued_at: str
    started_at: str
    updated_at: str
    finished_at: str
    code: str  # of REJECTED and FAILED
    reason: str
    last_failure: Failure
    result: Result
    heirs: set[str]  # version ids that share this version's set
    expires_at: int  # epoch seconds: the table's TTL


class Rendition(TypedDict):
    """One file of a set."""

    name: str
    key: str  # processed/<path>/<name>.<extension>
    format: Format
    content_type: str
    width: int  # pixels
    height: int  # pixels
    bytes: int
    sha256: str  # 64 hex digits


class Placeholder(TypedDict):
    """What a page shows until the picture is there."""

    blurhash: str
    color: str  # the dominant one, "#rrggbb"


class Manifest(TypedDict):
    """processed/<path>/manifest.json: what stands for one source."""

    schema_version: int
    job_id: str
    round: int
    attempt: int
    created_at: str
    source: ManifestSource
    recipe: RecipeRef
    placeholder: Placeholder
    renditions: list[Rendition]
    srcset: dict[Format, str]  # the value of a srcset attribute, per format
    picture: str  # a <picture> element
    obsolete: list[str]  # keys of the set before this one, removed after the manifest was written
