"""The objects of one app, which handlers receive by name (`NamedDependency[...]`)."""

from __future__ import annotations

from litestar.di import Provide
from sqlalchemy import Engine

from bank_assets.core.economics.contact_policy import NO_POLICY
from bank_assets.core.economics.planner import PlanSettings
from bank_assets.landing.register import latest_of, object_path
from bank_assets.ledger.engine import open_ledger
from bank_assets.store import list_designs
from bank_assets.store.call_lists import FOLDER as CALL_LISTS
from bank_assets.store.call_lists import CallListFiles
from bank_assets.store.campaign_files import FOLDER, UPLOADS, CampaignFiles
from bank_assets.store.list_designs import ListDesigns
from bank_assets.store.personal_files import PersonalData
from bank_assets.store.registry import Registry
from serving.campaigns.call_lists import CallListService
from serving.campaigns.desk import PlanDesk
from serving.campaigns.former_champion import FormerChampions
from serving.campaigns.lists import Lists
from serving.campaigns.read_out import ReadOuts
from serving.champion.champion import ChampionStore
from serving.champion.watcher import Watcher
from serving.customers.contact_rules import ContactRules
from serving.customers.known import KnownCustomers
from serving.customers.objections import Objections
from serving.customers.suppressions import Suppressions
from serving.decisions.deciding import Decider
from serving.decisions.payloads import Payloads
from serving.decisions.recorder import Recorder
from serving.decisions.records import Records
from serving.decisions.scoring import DecisionMaker
from serving.feeds.reports import FeedReports
from serving.lifecycle import Lifecycle
from serving.monitoring.reports import Reports
from serving.settings import ServingSettings
from serving.web.access import Access
from serving.web.log_ins import LogIns
from serving.web.metrics import Metrics


class Services:
    """The objects behind one app; also at `app.state.services`. Building them reads and opens nothing yet."""

    def __init__(self, settings: ServingSettings, registry: Registry | None, is_recording: bool) -> None:
        platform, bundles = settings.platform, settings.bundles
        lists, nightly = CallListFiles(bundles / CALL_LISTS), CallListFiles(platform.reports / CALL_LISTS)
        folder = platform.warehouse
        files = CampaignFiles(
            lambda: {name: object_path(folder, one.sha256) for name, one in latest_of(folder, FOLDER).items()},
            bundles / UPLOADS,
        )
        self.settings = settings
        self.ledger = open_ledger(platform.ledger_url, migrate=False)
        self.economics = platform.calling
        self.planning = PlanSettings(platform.calling, learning=platform.learning, policy=platform.contact_policy)
        self.payloads = Payloads.of(platform.contract)
        self.store = ChampionStore(bundles, platform.contract)
        self.registry = registry or Registry(
            platform.mlflow_uri, platform.mlflow_artifacts, bundles / "bundles", fails_fast=True
        )
        self.watcher = Watcher(self.store, self.registry, self.ledger, settings.poll_seconds)
        self.suppressions = Suppressions(self.ledger, settings.poll_seconds)
        self.contact_rules = ContactRules(self.ledger, platform.contact_policy, self.suppressions, platform.timezone)
        self.customer_objections = Objections(self.suppressions, KnownCustomers(self.ledger, files, platform.contract))
        self.feed_reports = FeedReports(self.ledger, self.suppressions, platform.contract)
        self.recorder = Recorder(self.ledger, max_waiting=settings.max_waiting)
        rules = None if platform.contact_policy is NO_POLICY else self.contact_rules
        known = self.store, self.suppressions, self.economics, self.payloads, settings.code_version
        self.maker = DecisionMaker(*known, platform.learning, rules)
        self.decider = Decider(self.maker, self.recorder if is_recording else None)
        self.records = Records(self.ledger, self.store, self.registry, platform.contract, settings.code_version)
        shares = platform.contract.not_reached_cost_share, platform.spontaneous_share
        former = FormerChampions(self.ledger, self.store, self.registry)
        self.read_outs = ReadOuts(self.ledger, self.store, former, platform.attribution_days, *shares)
        self.access = Access(settings, self.ledger)
        self.log_ins = LogIns()
        self.meters = Metrics()
        self.lifecycle = Lifecycle()
        self.reports = Reports(platform.reports)
        designs = ListDesigns(platform.warehouse, platform.feedback)
        self.personal_data = personal_data(settings, self.ledger)
        self.call_lists = CallListService(
            self.ledger,
            self.suppressions,
            files,
            lists,
            nightly,
            designs,
            self.payloads,
            settings.code_version,
            platform.landing,
        )
        self.lists = Lists(self.ledger, self.store, self.call_lists, platform.contact_policy, platform.attribution_days)
        self.desk = PlanDesk(self.store, self.call_lists, self.lists, self.planning)


def personal_data(settings: ServingSettings, ledger: Engine) -> PersonalData:
    """What an erasure works on."""
    bundles, platform = settings.bundles, settings.platform
    lists = bundles / CALL_LISTS, platform.reports / CALL_LISTS
    return PersonalData(ledger, lists, platform.warehouse / list_designs.FOLDER, bundles / UPLOADS)


def providers(services: Services) -> dict[str, Provide]:
    """Providers by parameter name."""

    def give(name: str) -> Provide:
        return Provide(lambda: getattr(services, name), sync_to_thread=False)

    return {name: give(name) for name in vars(services)}
