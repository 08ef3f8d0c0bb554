"""The assets of the pipeline, one module per stage; this file loads them in the order of the stages.

An asset's group is its stage, so it comes from the module and never from a decorator.
"""

from importlib import import_module
from operator import methodcaller

import dagster as dg

from bank_assets.contract.names import STAGES


def load_stage_assets() -> list[dg.AssetsDefinition]:
    """All assets in the order of the stages, each in the group of its stage."""
    loaded: list[dg.AssetsDefinition] = []
    for number, stage in enumerate(STAGES, start=1):
        module = import_module(f"bank_assets.assets.{stage}")
        add_layer = methodcaller("merge_attributes", tags={"bank/layer": f"{number:02d}-{stage}"})
        found = dg.load_assets_from_modules([module], group_name=stage)
        loaded += [asset.map_asset_specs(add_layer) for asset in found if isinstance(asset, dg.AssetsDefinition)]
    return loaded
