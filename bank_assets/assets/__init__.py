"""Assets, one module per stage; this file is the ordered registry of stages.

What lives here: the order, and loading with the stage word as group.
What must not: assets themselves, or anything that runs at import.
A group is a position in the pipeline, so it comes from the module, never from a decorator.
"""

from collections.abc import Callable
from importlib import import_module

import dagster as dg

from bank_assets.contract.names import STAGES


def load_stage_assets() -> list[dg.AssetsDefinition]:
    """All assets in the order of the stages, each in the group of its stage."""
    loaded: list[dg.AssetsDefinition] = []
    for number, stage in enumerate(STAGES, start=1):
        module = import_module(f"bank_assets.assets.{stage}")
        found = dg.load_assets_from_modules([module], group_name=stage)
        place = _placed(number, stage)
        loaded += [asset.map_asset_specs(place) for asset in found if isinstance(asset, dg.AssetsDefinition)]
    return loaded


def _placed(number: int, stage: str) -> Callable[[dg.AssetSpec], dg.AssetSpec]:
    def place(spec: dg.AssetSpec) -> dg.AssetSpec:
        return spec.merge_attributes(tags={"bank/layer": f"{number:02d}-{stage}"})

    return place
