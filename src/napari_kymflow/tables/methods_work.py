"""The methods of a paper, gathered from a dataset in a worker. No viewer, no layer."""

from dataclasses import dataclass
from pathlib import Path

from kymflow_zarr import Watch, ZarrDataset


@dataclass(frozen=True, slots=True, kw_only=True)
class MethodsText:
    """The paragraph for a paper on a dataset, and the script that makes its tables again from the raw files."""

    path: Path
    paragraph: str
    script: str


def gather_methods(path: Path, _watch: Watch) -> MethodsText:
    """Count what is in a dataset, and return it in words; nothing is written."""
    # All that measures is loaded only when somebody asks for it.
    from kymflow_core.methods.paragraph import gather_facts, methods_paragraph
    from kymflow_core.methods.script import remake_script

    dataset = ZarrDataset(path, mode="r")
    paragraph = methods_paragraph(gather_facts(dataset))
    return MethodsText(path=path, paragraph=paragraph, script=remake_script(dataset, paragraph))
