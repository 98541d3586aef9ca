"""`crossdiff generate`: a sentence to a motion."""

from pathlib import Path
from typing import Literal

from tyro.conf import Positional

from flows.commands.outcome import Outcome


def generate(
    text: Positional[tuple[str, ...]] = (),
    /,
    *,
    out: Path,
    texts: Path | None = None,
    checkpoint: Path | None = None,
    text_encoder: Path | None = None,
    mode: Literal["3d", "2d", "mixture"] = "3d",
    alpha: int = 300,
    guidance: float = 2.5,
    steps: int = 50,
    sampler: Literal["ddpm", "ddim", "dpm++"] | None = None,
    length: float = 6.0,
    n: int = 1,
    seed: int = 1,
    chain: bool = False,
    seam: Literal["blend", "continue"] = "blend",
    film: bool = True,
    bf16: bool = False,
    device: str = "auto",
    json: bool = False,
) -> Outcome:
    """Generate motions from sentences: an NPZ and an MP4 each, and generated.json.

    Args:
        text: One or more sentences, each in quotes.
        out: Folder to write.
        texts: A text file with more sentences, one a line.
        checkpoint: Checkpoint folder; default: the weights that come with the package.
        text_encoder: Weights of the text encoder, where the checkpoint needs CLIP.
        mode: 3d; 2d: a projected view alone; mixture: 2D first, 3D from timestep --alpha on.
        alpha: Timestep, 0 to 999, at which a mixture goes from 2D to 3D.
        guidance: How much the text is stressed: 1 is none, 0 ignores the text.
        steps: Denoising steps, 1 to 1000.
        sampler: Default: ddpm for 1000 steps, dpm++ for fewer.
        length: Seconds of every sentence's motion, from 2 to the network's longest.
        n: Motions per sentence; with --chain, motions.
        seed: The same seed and sentence give the same motion again.
        chain: Make one motion of all sentences, one after the other.
        seam: How chained sentences meet: blended, or the next drawn as a continuation.
        film: Write MP4 files.
        bf16: Compute in bfloat16 on a GPU: faster, a little less exact.
        device: auto, cpu, cuda or cuda:N.
        json: Print one JSON object on stdout instead of text.
    """
    from flows.generate import GenerateOptions, generate_motions  # noqa: PLC0415
    from models.generate.sampling import SampleSettings, default_sampler  # noqa: PLC0415

    settings = SampleSettings(mode, alpha, guidance, steps, sampler or default_sampler(steps))
    data = generate_motions(
        GenerateOptions(
            sentences=text,
            out=out,
            texts=texts,
            checkpoint=checkpoint,
            text_encoder=text_encoder,
            settings=settings,
            length_s=length,
            copies=n,
            seed=seed,
            chained=chain,
            seam=seam,
            film=film,
            bf16=bf16,
            device=device,
        )
    )
    files = [motion["mp4"] or motion["npz"] for motion in data["motions"]]
    return Outcome(data, [str(out / file) for file in files])
