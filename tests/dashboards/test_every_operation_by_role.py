"""Who may do what: every operation of the station's HTTP side against every role; one without a row here fails."""

import asyncio
import json
from collections.abc import AsyncIterator, MutableMapping
from contextlib import suppress
from pathlib import Path
from typing import Any, Final

import pytest
from fastapi import FastAPI

from dashboards.server import create_app
from station.assembly import Ground, Plan, Station, web_parts
from station.config import StationSettings
from station.scope import STATION, Role
from station.telemetry.client import TelemetryClient

HOST: Final = "127.0.0.1:8080"
ANYONE: Final = "anyone"
SPAN: Final = "from=2026-10-01T00:00:00Z&to=2026-10-02T00:00:00Z"
USAGE: Final = {
    "usageDate": "2026-10-01T00:00:00Z",
    "usageType": "messages",
    "usageCharacteristic": [{"name": "quantity", "value": 1}, {"name": "serviceId", "value": "S-1"}],
}
RULE: Final = {"metric": "sensor.temperature", "raise_when": {"above": 70}, "clear_when": {"below": 60}}
PREVIEW: Final = {"rule": RULE, "start": "2026-10-01T00:00:00Z", "end": "2026-10-02T00:00:00Z"}
EXCLUSION: Final = {
    "cause": "customer",
    "reason": "power switched off",
    "target_kind": "service",
    "target_id": "x",
    "start": "2026-10-01T00:00:00Z",
    "end": "2026-10-02T00:00:00Z",
}
MANDATE: Final = {"id": "M-1", "holder": "x", "iban": "NL91ABNA0417164300", "signed_on": "2026-01-01"}
VOUCHERS: Final = {"series": "s", "n": 1, "currency": "EUR", "amount_minor": 100, "expires": "2030-01-01T00:00:00Z"}
ONCE: Final = {"day": "2026-10-15", "description": "Router", "unit_price": "49.90", "currency": "EUR"}
RATE: Final = {"day": "2026-10-15", "base": "EUR", "quote": "USD", "rate": "1.08", "source": "ECB"}
VERSION: Final = {"tariff": "volume", "effective": "2026-01-01"}
DRY_RUN: Final = VERSION | {"period": "2026-10", "text": "summary = 's'"}
SOURCE: Final = {"kind": "payment", "id": "x"}
PAID: Final = {
    "account": {"id": "x"},
    "paymentMethod": {"@type": "cash", "name": "cash"},
    "totalAmount": {"unit": "EUR", "value": 1},
}
OBJECTIVE: Final = {"conformanceComparator": ">=", "conformanceTarget": "99", "serviceLevelObjectiveParameter": {"name": "availability"}}
PROMISE: Final = {"name": "p", "relatedServiceLevelObjective": [{"id": "x"}]}
LISTENER: Final = {"callback": "https://8.8.8.8/hook"}
WEBHOOK: Final = {"name": "tickets", "url": "https://8.8.8.8/hook", "format": "trunkline"}
WORK: Final = {
    "reason": "new software",
    "owner": "noc",
    "targets": [{"kind": "device", "id": "nothing"}],
    "starts": "2030-01-06T02:00:00",
    "duration_s": 3600,
}

# (operation, least role, query, body). Everyone sees usage as the pipeline's counts and quantities; prices and invoices are billing's.
# A viewer sees webhooks without the paths of their addresses, which are secrets of some receivers.
GROUP: Final = {
    "parentAlarm": {"id": "nothing"},
    "correlatedAlarm": [{"id": "none"}],
    "sourceSystemId": "oss",
    "alarmChangedTime": "2026-01-01T00:00:00Z",
}
PROBLEM: Final = {
    "category": "x",
    "priority": 1,
    "description": "x",
    "reason": "x",
    "originatorParty": {"id": "x", "@referredType": "Organization"},
}
PROBLEM_GROUP: Final = {"parentProblem": {"id": "nothing"}, "childProblem": [{"id": "none"}]}
PROBLEMS: Final = {"problem": [{"id": "nothing"}]}
TASK: Final = {"alarmPattern": [{"id": "nothing"}], "comment": {"comment": "x"}}
RAISED: Final = {
    "alarmType": "equipmentAlarm",
    "perceivedSeverity": "major",
    "probableCause": "fanFailure",
    "alarmedObject": {"id": "nothing"},
    "sourceSystemId": "other",
    "state": "raised",
    "alarmRaisedTime": "2026-10-01T00:00:00Z",
}
OPERATIONS: Final[list[tuple[str, str, str, Any]]] = [
    ("GET /api/v1/alarms", Role.VIEWER, "", None),
    ("GET /api/v1/alarms/summary", Role.VIEWER, "", None),
    ("POST /api/v1/alarms/actions", Role.OPERATOR, "", {"action": "acknowledge", "ids": ["nothing"]}),
    ("GET /api/v1/alarms/{key}", Role.VIEWER, "", None),
    ("GET /api/v1/incidents", Role.VIEWER, "", None),
    ("GET /api/v1/incidents/{key}", Role.VIEWER, "", None),
    ("GET /api/v1/alarm-health", Role.VIEWER, "", None),
    ("GET /api/v1/alarm-health.csv", Role.VIEWER, "", None),
    ("GET /api/v1/collectors", Role.VIEWER, "", None),
    ("POST /api/v1/collectors", Role.ENGINEER, "", {"name": "pop-1", "ranges": ["127.0.0.0/30"]}),
    ("GET /api/v1/collectors/{key}", Role.VIEWER, "", None),
    ("POST /api/v1/collectors/{key}/revoke", Role.ENGINEER, "", None),
    ("GET /api/v1/maintenance", Role.VIEWER, "", None),
    ("POST /api/v1/maintenance", Role.ENGINEER, "", WORK),
    ("GET /api/v1/maintenance/calendar", Role.VIEWER, "", None),
    ("GET /api/v1/maintenance/{key}", Role.VIEWER, "", None),
    ("PUT /api/v1/maintenance/{key}", Role.ENGINEER, "", WORK),
    ("POST /api/v1/maintenance/{key}/end", Role.ENGINEER, "", {"reason": "done"}),
    ("GET /api/v1/webhooks", Role.VIEWER, "", None),
    ("POST /api/v1/webhooks", Role.ENGINEER, "", WEBHOOK),
    ("PUT /api/v1/webhooks/{key}", Role.ENGINEER, "", WEBHOOK),
    ("PATCH /api/v1/webhooks/{key}", Role.ENGINEER, "", {"enabled": False}),
    ("DELETE /api/v1/webhooks/{key}", Role.ENGINEER, "", None),
    ("POST /api/v1/webhooks/{key}/test", Role.ENGINEER, "", None),
    ("POST /api/v1/alarms/in/{key}", Role.OPERATOR, "", {"event_name": "x"}),
    ("GET /api/v1/fault-report", Role.VIEWER, "", None),
    ("GET /api/v1/fault-report.pdf", Role.VIEWER, "month=2026-01", None),
    ("GET /api/v1/incidents/{key}/timeline", Role.VIEWER, "", None),
    ("GET /api/v1/incidents/{key}/first-look", Role.VIEWER, "", None),
    ("POST /api/v1/incidents/{key}/first-look", Role.OPERATOR, "", None),
    ("POST /api/v1/incidents/{key}/notices", Role.OPERATOR, "", None),
    ("GET /api/v1/notices", Role.VIEWER, "", None),
    ("PUT /api/v1/notices/{key}", Role.OPERATOR, "", {"subject": "s", "text": "t"}),
    ("POST /api/v1/notices/{key}/send", Role.OPERATOR, "", {"webhook": "none"}),
    ("POST /api/v1/notices/{key}/drop", Role.OPERATOR, "", None),
    ("POST /api/v1/notify/replies", Role.OPERATOR, "", {"from": "x", "text": "ack"}),
    ("GET /api/v1/fault-causes", Role.VIEWER, "", None),
    ("POST /api/v1/fault-causes/proposals", Role.ENGINEER, "", {"days": 1}),
    ("POST /api/v1/fault-causes/decisions", Role.ENGINEER, "", {"cause": "none", "effect": "none", "state": "rejected"}),
    ("GET /api/v1/notify/plan", Role.VIEWER, "", None),
    ("PUT /api/v1/notify/plan", Role.ENGINEER, "", {"times": {}}),
    ("GET /api/v1/notify/on-call", Role.VIEWER, "", None),
    ("GET /api/v1/notify/escalations", Role.VIEWER, "", None),
    ("GET /api/v1/notify/tickets", Role.VIEWER, "", None),
    ("GET /api/v1/notify/tickets/{key}", Role.VIEWER, "", None),
    ("GET /api/v1/deliveries", Role.VIEWER, "", None),
    ("GET /api/v1/deliveries/{key}", Role.VIEWER, "", None),
    ("POST /api/v1/deliveries/{key}/replay", Role.ENGINEER, "", None),
    ("GET /api/v1/devices", Role.VIEWER, "", None),
    ("GET /api/v1/devices/{device_id}", Role.VIEWER, "", None),
    ("GET /api/v1/devices/{device_id}/performance", Role.VIEWER, SPAN, None),
    ("GET /api/v1/regions", Role.VIEWER, "", None),
    ("GET /api/v1/sites", Role.VIEWER, "", None),
    ("GET /api/v1/topology", Role.VIEWER, "", None),
    ("GET /api/v1/services", Role.VIEWER, "", None),
    ("GET /api/v1/customers", Role.VIEWER, "", None),
    ("GET /api/v1/search", Role.VIEWER, "q=core", None),
    ("GET /api/v1/discovery", Role.VIEWER, "", None),
    ("GET /api/v1/discovery/{run_id}", Role.VIEWER, "", None),
    ("POST /api/v1/discovery", Role.ENGINEER, "", {"ranges": ["127.0.0.9/32"]}),
    ("GET /api/v1/series", Role.VIEWER, f"entity=none&metric=interface.in_octets&{SPAN}", None),
    ("GET /api/v1/top", Role.VIEWER, f"metric=interface.in_octets&{SPAN}", None),
    ("GET /api/v1/flow/top", Role.VIEWER, SPAN, None),
    ("GET /api/v1/flow/exporters", Role.VIEWER, "", None),
    ("GET /api/v1/flow/top", Role.VIEWER, SPAN, None),
    ("GET /api/v1/flow/exporters", Role.VIEWER, "", None),
    ("GET /api/v1/baseline", Role.VIEWER, "entity=none&metric=interface.in_octets", None),
    ("GET /api/v1/export/interface_{tier}.parquet", Role.ENGINEER, SPAN, None),
    ("GET /api/v1/thresholds", Role.VIEWER, "", None),
    ("GET /api/v1/capacity", Role.VIEWER, "", None),
    ("POST /api/v1/thresholds/preview", Role.ENGINEER, "", PREVIEW),
    ("GET /api/v1/heatmap", Role.VIEWER, "", None),
    ("POST /api/v1/write", Role.OPERATOR, "", None),
    ("POST /v1/metrics", Role.OPERATOR, "", None),
    ("GET /api/v1/trends", Role.VIEWER, "", None),
    ("POST /api/v1/trends/preview", Role.ENGINEER, "", {"rule": {"metric": "sensor.temperature", "level": 65}}),
    ("GET /api/v1/now", Role.VIEWER, "", None),
    ("GET /api/v1/traffic", Role.VIEWER, "", None),
    ("GET /metrics/network", Role.VIEWER, "", None),
    ("GET /sd/prometheus", Role.VIEWER, "", None),
    ("GET /api/v1/usage", Role.VIEWER, SPAN, None),
    ("GET /api/v1/usage/pipeline", Role.VIEWER, "", None),
    ("GET /api/v1/usage/suspense", Role.VIEWER, "", None),
    ("GET /api/v1/measurements/{key}.csv", Role.VIEWER, "", None),
    ("GET /tmf-api/performance/v4/performanceIndicatorSpecification", Role.VIEWER, "", None),
    ("POST /tmf-api/performance/v4/performanceIndicatorSpecification", Role.ENGINEER, "", {"name": "n"}),
    ("GET /tmf-api/performance/v4/performanceIndicatorSpecification/{id}", Role.VIEWER, "", None),
    ("PATCH /tmf-api/performance/v4/performanceIndicatorSpecification/{id}", Role.ENGINEER, "", {"description": "n"}),
    ("DELETE /tmf-api/performance/v4/performanceIndicatorSpecification/{id}", Role.ENGINEER, "", None),
    ("GET /tmf-api/performance/v4/performanceIndicatorGroupSpecification", Role.VIEWER, "", None),
    (
        "POST /tmf-api/performance/v4/performanceIndicatorGroupSpecification",
        Role.ENGINEER,
        "",
        {"name": "n", "performanceIndicatorSpecification": [{"id": "x"}]},
    ),
    ("GET /tmf-api/performance/v4/performanceIndicatorGroupSpecification/{id}", Role.VIEWER, "", None),
    ("PATCH /tmf-api/performance/v4/performanceIndicatorGroupSpecification/{id}", Role.ENGINEER, "", {"description": "n"}),
    ("DELETE /tmf-api/performance/v4/performanceIndicatorGroupSpecification/{id}", Role.ENGINEER, "", None),
    ("GET /tmf-api/performance/v4/measurementCollectionJob", Role.VIEWER, "", None),
    ("POST /tmf-api/performance/v4/measurementCollectionJob", Role.ENGINEER, "", {"fileTransferData": [{}]}),
    ("GET /tmf-api/performance/v4/measurementCollectionJob/{id}", Role.VIEWER, "", None),
    ("PATCH /tmf-api/performance/v4/measurementCollectionJob/{id}", Role.ENGINEER, "", {"description": "n"}),
    ("DELETE /tmf-api/performance/v4/measurementCollectionJob/{id}", Role.ENGINEER, "", None),
    ("GET /tmf-api/performance/v4/onDemandCollection", Role.VIEWER, "", None),
    ("POST /tmf-api/performance/v4/onDemandCollection", Role.ENGINEER, "", {"fileTransferData": [{}]}),
    ("GET /tmf-api/performance/v4/onDemandCollection/{id}", Role.VIEWER, "", None),
    ("PATCH /tmf-api/performance/v4/onDemandCollection/{id}", Role.ENGINEER, "", {"description": "n"}),
    ("DELETE /tmf-api/performance/v4/onDemandCollection/{id}", Role.ENGINEER, "", None),
    ("POST /tmf-api/performance/v4/hub", Role.ENGINEER, "", LISTENER),
    ("DELETE /tmf-api/performance/v4/hub/{id}", Role.ENGINEER, "", None),
    ("GET /tmf-api/serviceQualityManagement/v4/serviceLevelObjective", Role.VIEWER, "", None),
    ("POST /tmf-api/serviceQualityManagement/v4/serviceLevelObjective", Role.ENGINEER, "", OBJECTIVE),
    ("GET /tmf-api/serviceQualityManagement/v4/serviceLevelObjective/{id}", Role.VIEWER, "", None),
    ("PATCH /tmf-api/serviceQualityManagement/v4/serviceLevelObjective/{id}", Role.ENGINEER, "", {"name": "n"}),
    ("DELETE /tmf-api/serviceQualityManagement/v4/serviceLevelObjective/{id}", Role.ENGINEER, "", None),
    ("GET /tmf-api/serviceQualityManagement/v4/serviceLevelSpecification", Role.VIEWER, "", None),
    ("POST /tmf-api/serviceQualityManagement/v4/serviceLevelSpecification", Role.ENGINEER, "", PROMISE),
    ("GET /tmf-api/serviceQualityManagement/v4/serviceLevelSpecification/{id}", Role.VIEWER, "", None),
    ("PATCH /tmf-api/serviceQualityManagement/v4/serviceLevelSpecification/{id}", Role.ENGINEER, "", {"name": "n"}),
    ("DELETE /tmf-api/serviceQualityManagement/v4/serviceLevelSpecification/{id}", Role.ENGINEER, "", None),
    ("POST /tmf-api/serviceQualityManagement/v4/hub", Role.ENGINEER, "", LISTENER),
    ("DELETE /tmf-api/serviceQualityManagement/v4/hub/{id}", Role.ENGINEER, "", None),
    ("GET /tmf-api/alarm/v4/alarm", Role.VIEWER, "", None),
    ("POST /tmf-api/alarm/v4/alarm", Role.OPERATOR, "", RAISED),
    ("GET /tmf-api/alarm/v4/alarm/{id}", Role.VIEWER, "", None),
    ("PATCH /tmf-api/alarm/v4/alarm/{id}", Role.OPERATOR, "", {"ackState": "acknowledged"}),
    ("POST /tmf-api/alarm/v4/ackAlarms", Role.OPERATOR, "", TASK),
    ("POST /tmf-api/alarm/v4/unAckAlarms", Role.OPERATOR, "", TASK),
    ("POST /tmf-api/alarm/v4/clearAlarms", Role.OPERATOR, "", TASK),
    ("POST /tmf-api/alarm/v4/commentAlarms", Role.OPERATOR, "", TASK),
    ("DELETE /tmf-api/alarm/v4/alarm/{id}", Role.ENGINEER, "", None),
    ("POST /tmf-api/alarm/v4/hub", Role.ENGINEER, "", LISTENER),
    ("DELETE /tmf-api/alarm/v4/hub/{id}", Role.ENGINEER, "", None),
    ("POST /tmf-api/alarm/v4/groupAlarms", Role.OPERATOR, "", GROUP),
    ("POST /tmf-api/alarm/v4/unGroupAlarms", Role.OPERATOR, "", GROUP),
    ("GET /tmf-api/alarm/v4/ackAlarms", Role.VIEWER, "", None),
    ("GET /tmf-api/alarm/v4/ackAlarms/{id}", Role.VIEWER, "", None),
    ("GET /tmf-api/alarm/v4/unAckAlarms", Role.VIEWER, "", None),
    ("GET /tmf-api/alarm/v4/unAckAlarms/{id}", Role.VIEWER, "", None),
    ("GET /tmf-api/alarm/v4/clearAlarms", Role.VIEWER, "", None),
    ("GET /tmf-api/alarm/v4/clearAlarms/{id}", Role.VIEWER, "", None),
    ("GET /tmf-api/alarm/v4/commentAlarms", Role.VIEWER, "", None),
    ("GET /tmf-api/alarm/v4/commentAlarms/{id}", Role.VIEWER, "", None),
    ("GET /tmf-api/alarm/v4/groupAlarms", Role.VIEWER, "", None),
    ("GET /tmf-api/alarm/v4/groupAlarms/{id}", Role.VIEWER, "", None),
    ("GET /tmf-api/alarm/v4/unGroupAlarms", Role.VIEWER, "", None),
    ("GET /tmf-api/alarm/v4/unGroupAlarms/{id}", Role.VIEWER, "", None),
    ("GET /tmf-api/serviceProblemManagement/v4/serviceProblem", Role.VIEWER, "", None),
    ("GET /tmf-api/serviceProblemManagement/v4/serviceProblem/{id}", Role.VIEWER, "", None),
    ("POST /tmf-api/serviceProblemManagement/v4/serviceProblem", Role.OPERATOR, "", PROBLEM),
    ("PATCH /tmf-api/serviceProblemManagement/v4/serviceProblem/{id}", Role.OPERATOR, "", {"priority": 1}),
    ("DELETE /tmf-api/serviceProblemManagement/v4/serviceProblem/{id}", Role.OPERATOR, "", None),
    ("POST /tmf-api/serviceProblemManagement/v4/hub", Role.ENGINEER, "", LISTENER),
    ("DELETE /tmf-api/serviceProblemManagement/v4/hub/{id}", Role.ENGINEER, "", None),
    ("GET /tmf-api/serviceProblemManagement/v4/serviceProblemEventRecord", Role.VIEWER, "", None),
    ("GET /tmf-api/serviceProblemManagement/v4/serviceProblemEventRecord/{id}", Role.VIEWER, "", None),
    ("POST /tmf-api/serviceProblemManagement/v4/problemGroup", Role.OPERATOR, "", PROBLEM_GROUP),
    ("GET /tmf-api/serviceProblemManagement/v4/problemGroup", Role.VIEWER, "", None),
    ("GET /tmf-api/serviceProblemManagement/v4/problemGroup/{id}", Role.VIEWER, "", None),
    ("POST /tmf-api/serviceProblemManagement/v4/problemUngroup", Role.OPERATOR, "", PROBLEM_GROUP),
    ("GET /tmf-api/serviceProblemManagement/v4/problemUngroup", Role.VIEWER, "", None),
    ("GET /tmf-api/serviceProblemManagement/v4/problemUngroup/{id}", Role.VIEWER, "", None),
    ("POST /tmf-api/serviceProblemManagement/v4/problemAcknowledgement", Role.OPERATOR, "", PROBLEMS),
    ("GET /tmf-api/serviceProblemManagement/v4/problemAcknowledgement", Role.VIEWER, "", None),
    ("GET /tmf-api/serviceProblemManagement/v4/problemAcknowledgement/{id}", Role.VIEWER, "", None),
    ("POST /tmf-api/serviceProblemManagement/v4/problemUnacknowledgement", Role.OPERATOR, "", PROBLEMS),
    ("GET /tmf-api/serviceProblemManagement/v4/problemUnacknowledgement", Role.VIEWER, "", None),
    ("GET /tmf-api/serviceProblemManagement/v4/problemUnacknowledgement/{id}", Role.VIEWER, "", None),
    ("POST /api/v1/alerts", Role.OPERATOR, "", {"alerts": []}),
    ("POST /api/v2/alerts", Role.OPERATOR, "", [{"labels": {}}]),
    ("GET /api/v1/sla-credits", Role.BILLING, "month=2026-10", None),
    ("POST /api/v1/sla-credits", Role.BILLING, "", {"month": "2026-10", "service_id": "nothing"}),
    ("GET /api/v1/slas", Role.VIEWER, "", None),
    ("GET /api/v1/slas/exclusions", Role.VIEWER, "", None),
    ("POST /api/v1/slas/exclusions", Role.BILLING, "", EXCLUSION),
    ("POST /api/v1/slas/exclusions/{key}/decision", Role.BILLING, "", {"approve": True}),
    ("GET /api/v1/slas/{service_id}", Role.VIEWER, "", None),
    ("GET /api/v1/usage/reconciliation", Role.BILLING, SPAN, None),
    ("GET /api/v1/usage/export", Role.BILLING, SPAN, None),
    ("GET /api/v1/usage/export/manifest", Role.BILLING, SPAN, None),
    ("GET /api/v1/usage/completeness", Role.BILLING, SPAN, None),
    ("GET /api/v1/invoices", Role.BILLING, "", None),
    ("GET /api/v1/invoices/{invoice_id}.pdf", Role.BILLING, "", None),
    ("GET /api/v1/invoices/{invoice_id}.csv", Role.BILLING, "", None),
    ("GET /api/v1/invoices/{invoice_id}.json", Role.BILLING, "", None),
    ("GET /api/v1/invoices/{invoice_id}", Role.BILLING, "", None),
    ("GET /api/v1/invoices/{invoice_id}/lines/{line_no}/explain", Role.BILLING, "", None),
    ("GET /tmf-api/usageManagement/v4/usage", Role.VIEWER, "", None),
    ("GET /tmf-api/usageManagement/v4/usage/{id}", Role.VIEWER, "", None),
    ("POST /tmf-api/usageManagement/v4/usage", Role.BILLING, "", USAGE),
    ("PATCH /tmf-api/usageManagement/v4/usage/{id}", Role.BILLING, "", {"status": "billed"}),
    ("DELETE /tmf-api/usageManagement/v4/usage/{id}", Role.BILLING, "", None),
    ("GET /tmf-api/usageManagement/v4/usageSpecification", Role.VIEWER, "", None),
    ("GET /tmf-api/usageManagement/v4/usageSpecification/{id}", Role.VIEWER, "", None),
    ("POST /tmf-api/usageManagement/v4/hub", Role.BILLING, "", LISTENER),
    ("DELETE /tmf-api/usageManagement/v4/hub/{id}", Role.BILLING, "", None),
    ("POST /tmf-api/customerBillManagement/v4/hub", Role.BILLING, "", LISTENER),
    ("DELETE /tmf-api/customerBillManagement/v4/hub/{id}", Role.BILLING, "", None),
    ("GET /tmf-api/customerBillManagement/v4/customerBill", Role.BILLING, "", None),
    ("GET /tmf-api/customerBillManagement/v4/customerBill/{id}", Role.BILLING, "", None),
    ("GET /tmf-api/customerBillManagement/v4/appliedCustomerBillingRate", Role.BILLING, "", None),
    ("GET /tmf-api/customerBillManagement/v4/appliedCustomerBillingRate/{id}", Role.BILLING, "", None),
    ("PATCH /tmf-api/customerBillManagement/v4/customerBill/{id}", Role.BILLING, "", {"state": "settled"}),
    ("GET /tmf-api/customerBillManagement/v4/customerBillOnDemand", Role.BILLING, "", None),
    ("POST /tmf-api/customerBillManagement/v4/customerBillOnDemand", Role.BILLING, "", {"name": "now"}),
    ("GET /tmf-api/prepayBalanceManagement/v4/bucket", Role.BILLING, "", None),
    ("GET /tmf-api/prepayBalanceManagement/v4/bucket/{id}", Role.BILLING, "", None),
    ("GET /tmf-api/prepayBalanceManagement/v4/accumulatedBalance", Role.BILLING, "", None),
    ("GET /tmf-api/prepayBalanceManagement/v4/accumulatedBalance/{id}", Role.BILLING, "", None),
    ("GET /tmf-api/prepayBalanceManagement/v4/topupBalance", Role.BILLING, "", None),
    ("POST /tmf-api/prepayBalanceManagement/v4/topupBalance", Role.BILLING, "", {"amount": {"amount": 0, "units": "x"}}),
    ("GET /tmf-api/prepayBalanceManagement/v4/topupBalance/{id}", Role.BILLING, "", None),
    ("PATCH /tmf-api/prepayBalanceManagement/v4/topupBalance/{id}", Role.BILLING, "", {"status": "cancelled"}),
    ("DELETE /tmf-api/prepayBalanceManagement/v4/topupBalance/{id}", Role.BILLING, "", None),
    ("GET /tmf-api/prepayBalanceManagement/v4/reserveBalance", Role.BILLING, "", None),
    ("POST /tmf-api/prepayBalanceManagement/v4/reserveBalance", Role.BILLING, "", {"amount": {"amount": 0, "units": "x"}}),
    ("GET /tmf-api/prepayBalanceManagement/v4/reserveBalance/{id}", Role.BILLING, "", None),
    ("PATCH /tmf-api/prepayBalanceManagement/v4/reserveBalance/{id}", Role.BILLING, "", {"status": "cancelled"}),
    ("DELETE /tmf-api/prepayBalanceManagement/v4/reserveBalance/{id}", Role.BILLING, "", None),
    ("GET /tmf-api/prepayBalanceManagement/v4/adjustBalance", Role.BILLING, "", None),
    ("POST /tmf-api/prepayBalanceManagement/v4/adjustBalance", Role.BILLING, "", {"amount": {"amount": 0, "units": "x"}}),
    ("GET /tmf-api/prepayBalanceManagement/v4/adjustBalance/{id}", Role.BILLING, "", None),
    ("PATCH /tmf-api/prepayBalanceManagement/v4/adjustBalance/{id}", Role.BILLING, "", {"status": "cancelled"}),
    ("DELETE /tmf-api/prepayBalanceManagement/v4/adjustBalance/{id}", Role.BILLING, "", None),
    ("POST /tmf-api/prepayBalanceManagement/v4/hub", Role.BILLING, "", LISTENER),
    ("DELETE /tmf-api/prepayBalanceManagement/v4/hub/{id}", Role.BILLING, "", None),
    ("GET /tmf-api/paymentManagement/v4/payment", Role.BILLING, "", None),
    ("GET /tmf-api/paymentManagement/v4/payment/{id}", Role.BILLING, "", None),
    ("POST /tmf-api/paymentManagement/v4/payment", Role.BILLING, "", PAID),
    ("GET /tmf-api/paymentManagement/v4/refund", Role.BILLING, "", None),
    ("GET /tmf-api/paymentManagement/v4/refund/{id}", Role.BILLING, "", None),
    ("POST /tmf-api/paymentManagement/v4/refund", Role.BILLING, "", PAID | {"payment": {"id": "x"}}),
    ("POST /tmf-api/paymentManagement/v4/hub", Role.BILLING, "", LISTENER),
    ("DELETE /tmf-api/paymentManagement/v4/hub/{id}", Role.BILLING, "", None),
    ("GET /tmf-api/productCatalogManagement/v4/catalog", Role.BILLING, "", None),
    ("POST /tmf-api/productCatalogManagement/v4/catalog", Role.BILLING, "", {"name": "n"}),
    ("GET /tmf-api/productCatalogManagement/v4/catalog/{id}", Role.BILLING, "", None),
    ("PATCH /tmf-api/productCatalogManagement/v4/catalog/{id}", Role.BILLING, "", {"name": "n"}),
    ("DELETE /tmf-api/productCatalogManagement/v4/catalog/{id}", Role.BILLING, "", None),
    ("GET /tmf-api/productCatalogManagement/v4/category", Role.BILLING, "", None),
    ("POST /tmf-api/productCatalogManagement/v4/category", Role.BILLING, "", {"name": "n"}),
    ("GET /tmf-api/productCatalogManagement/v4/category/{id}", Role.BILLING, "", None),
    ("PATCH /tmf-api/productCatalogManagement/v4/category/{id}", Role.BILLING, "", {"name": "n"}),
    ("DELETE /tmf-api/productCatalogManagement/v4/category/{id}", Role.BILLING, "", None),
    ("GET /tmf-api/productCatalogManagement/v4/productSpecification", Role.BILLING, "", None),
    ("POST /tmf-api/productCatalogManagement/v4/productSpecification", Role.BILLING, "", {"name": "n"}),
    ("GET /tmf-api/productCatalogManagement/v4/productSpecification/{id}", Role.BILLING, "", None),
    ("PATCH /tmf-api/productCatalogManagement/v4/productSpecification/{id}", Role.BILLING, "", {"name": "n"}),
    ("DELETE /tmf-api/productCatalogManagement/v4/productSpecification/{id}", Role.BILLING, "", None),
    ("GET /tmf-api/productCatalogManagement/v4/productOffering", Role.BILLING, "", None),
    ("POST /tmf-api/productCatalogManagement/v4/productOffering", Role.BILLING, "", {"name": "n"}),
    ("GET /tmf-api/productCatalogManagement/v4/productOffering/{id}", Role.BILLING, "", None),
    ("PATCH /tmf-api/productCatalogManagement/v4/productOffering/{id}", Role.BILLING, "", {"name": "n"}),
    ("DELETE /tmf-api/productCatalogManagement/v4/productOffering/{id}", Role.BILLING, "", None),
    ("GET /tmf-api/productCatalogManagement/v4/productOfferingPrice", Role.BILLING, "", None),
    ("POST /tmf-api/productCatalogManagement/v4/productOfferingPrice", Role.BILLING, "", {"name": "n"}),
    ("GET /tmf-api/productCatalogManagement/v4/productOfferingPrice/{id}", Role.BILLING, "", None),
    ("PATCH /tmf-api/productCatalogManagement/v4/productOfferingPrice/{id}", Role.BILLING, "", {"name": "n"}),
    ("DELETE /tmf-api/productCatalogManagement/v4/productOfferingPrice/{id}", Role.BILLING, "", None),
    ("POST /tmf-api/productCatalogManagement/v4/hub", Role.BILLING, "", LISTENER),
    ("DELETE /tmf-api/productCatalogManagement/v4/hub/{id}", Role.BILLING, "", None),
    ("GET /tmf-api/productInventory/v4/product", Role.BILLING, "", None),
    ("POST /tmf-api/productInventory/v4/product", Role.BILLING, "", {"status": "active"}),
    ("GET /tmf-api/productInventory/v4/product/{id}", Role.BILLING, "", None),
    ("PATCH /tmf-api/productInventory/v4/product/{id}", Role.BILLING, "", {"status": "active"}),
    ("DELETE /tmf-api/productInventory/v4/product/{id}", Role.BILLING, "", None),
    ("POST /tmf-api/productInventory/v4/hub", Role.BILLING, "", LISTENER),
    ("DELETE /tmf-api/productInventory/v4/hub/{id}", Role.BILLING, "", None),
    ("GET /api/v1/invoices/{invoice_id}.xml", Role.BILLING, "", None),
    ("POST /api/v1/invoices/{invoice_id}/credits", Role.BILLING, "", {"lines": [{"line_no": 1, "amount_minor": -1}], "reason": "goodwill"}),
    ("GET /api/v1/invoices/notes/{note_id}.xml", Role.BILLING, "", None),
    ("GET /api/v1/credits", Role.BILLING, "", None),
    ("POST /api/v1/credits/{proposal_id}/approve", Role.BILLING, "", None),
    ("POST /api/v1/credits/{proposal_id}/refuse", Role.BILLING, "", None),
    ("GET /api/v1/credit-notes/{note_id}", Role.BILLING, "", None),
    ("GET /api/v1/ledger/balances", Role.BILLING, "", None),
    ("GET /api/v1/ledger/beancount", Role.BILLING, "", None),
    ("GET /api/v1/balances/{owner}/{unit}", Role.BILLING, "", None),
    ("POST /api/v1/balances/{owner}/top-ups", Role.BILLING, "", {"unit": "EUR", "amount": 1, "key": "k"}),
    ("POST /api/v1/balances/{owner}/reservations", Role.BILLING, "", {"unit": "EUR", "amount": 1, "key": "k"}),
    ("POST /api/v1/balances/{owner}/debits", Role.BILLING, "", {"unit": "EUR", "amount": 1, "key": "k"}),
    ("POST /api/v1/balances/holds/{hold_id}/commit", Role.BILLING, "", {"used": 0}),
    ("POST /api/v1/balances/holds/{hold_id}/release", Role.BILLING, "", None),
    ("GET /api/v1/customers/{customer_id}/billing-profile", Role.BILLING, "", None),
    ("PUT /api/v1/customers/{customer_id}/billing-profile", Role.BILLING, "", {"country": "DE"}),
    ("GET /api/v1/accounts/{customer_id}", Role.BILLING, "", None),
    ("GET /api/v1/accounts/{customer_id}/statement", Role.BILLING, "", None),
    ("POST /api/v1/accounts/{customer_id}/payments", Role.BILLING, "", {"reference": "r", "currency": "EUR", "amount_minor": 1}),
    ("POST /api/v1/accounts/{customer_id}/allocations", Role.BILLING, "", {"documents": []}),
    ("POST /api/v1/accounts/{customer_id}/allocations/withdraw", Role.BILLING, "", {"source": SOURCE, "document": "x"}),
    ("POST /api/v1/payments/{payment_id}/reverse", Role.BILLING, "", {"kind": "error", "reason": "told twice"}),
    ("POST /api/v1/accounts/{customer_id}/refunds", Role.BILLING, "", {"source": SOURCE, "amount_minor": 1, "reason": "x"}),
    ("POST /api/v1/accounts/{customer_id}/write-offs", Role.BILLING, "", {"document": "x", "amount_minor": 1, "reason": "x"}),
    ("GET /api/v1/accounts/{customer_id}/mandates", Role.BILLING, "", None),
    ("POST /api/v1/accounts/{customer_id}/mandates", Role.BILLING, "", MANDATE),
    ("POST /api/v1/mandates/{mandate_id}/revoke", Role.BILLING, "", {"reason": "asked for"}),
    ("POST /api/v1/direct-debits", Role.BILLING, "", {"collect_on": "2030-01-01"}),
    ("GET /api/v1/direct-debits/{batch_id}.xml", Role.BILLING, "", None),
    ("GET /api/v1/direct-debits/{batch_id}", Role.BILLING, "", None),
    ("POST /api/v1/bank/statements", Role.BILLING, "", {}),
    ("GET /api/v1/bank/entries", Role.BILLING, "", None),
    ("POST /api/v1/bank/entries/{entry_id}/assign", Role.BILLING, "", {"customer_id": "x"}),
    ("POST /api/v1/vouchers", Role.BILLING, "", VOUCHERS),
    ("POST /api/v1/accounts/{customer_id}/vouchers", Role.BILLING, "", {"code": "AAAABBBBCCCCDDDD"}),
    ("POST /hooks/payments", ANYONE, "provider=none", {}),
    ("GET /tmf-api/party/v4/individual", Role.BILLING, "", None),
    ("POST /tmf-api/party/v4/individual", Role.BILLING, "", {"givenName": "a", "familyName": "b"}),
    ("GET /tmf-api/party/v4/individual/{id}", Role.BILLING, "", None),
    ("PATCH /tmf-api/party/v4/individual/{id}", Role.BILLING, "", {"name": "n"}),
    ("DELETE /tmf-api/party/v4/individual/{id}", Role.BILLING, "", None),
    ("GET /tmf-api/party/v4/organization", Role.BILLING, "", None),
    ("POST /tmf-api/party/v4/organization", Role.BILLING, "", {"tradingName": "t"}),
    ("GET /tmf-api/party/v4/organization/{id}", Role.BILLING, "", None),
    ("PATCH /tmf-api/party/v4/organization/{id}", Role.BILLING, "", {"name": "n"}),
    ("DELETE /tmf-api/party/v4/organization/{id}", Role.BILLING, "", None),
    ("GET /tmf-api/accountManagement/v4/partyAccount", Role.BILLING, "", None),
    ("POST /tmf-api/accountManagement/v4/partyAccount", Role.BILLING, "", {"name": "n", "relatedParty": [{"id": "x"}]}),
    ("GET /tmf-api/accountManagement/v4/partyAccount/{id}", Role.BILLING, "", None),
    ("PATCH /tmf-api/accountManagement/v4/partyAccount/{id}", Role.BILLING, "", {"name": "n"}),
    ("DELETE /tmf-api/accountManagement/v4/partyAccount/{id}", Role.BILLING, "", None),
    ("GET /tmf-api/accountManagement/v4/billingAccount", Role.BILLING, "", None),
    ("POST /tmf-api/accountManagement/v4/billingAccount", Role.BILLING, "", {"name": "n", "relatedParty": [{"id": "x"}]}),
    ("GET /tmf-api/accountManagement/v4/billingAccount/{id}", Role.BILLING, "", None),
    ("PATCH /tmf-api/accountManagement/v4/billingAccount/{id}", Role.BILLING, "", {"name": "n"}),
    ("DELETE /tmf-api/accountManagement/v4/billingAccount/{id}", Role.BILLING, "", None),
    ("GET /tmf-api/accountManagement/v4/settlementAccount", Role.BILLING, "", None),
    ("POST /tmf-api/accountManagement/v4/settlementAccount", Role.BILLING, "", {"name": "n", "relatedParty": [{"id": "x"}]}),
    ("GET /tmf-api/accountManagement/v4/settlementAccount/{id}", Role.BILLING, "", None),
    ("PATCH /tmf-api/accountManagement/v4/settlementAccount/{id}", Role.BILLING, "", {"name": "n"}),
    ("DELETE /tmf-api/accountManagement/v4/settlementAccount/{id}", Role.BILLING, "", None),
    ("GET /tmf-api/accountManagement/v4/financialAccount", Role.BILLING, "", None),
    ("POST /tmf-api/accountManagement/v4/financialAccount", Role.BILLING, "", {"name": "n", "relatedParty": [{"id": "x"}]}),
    ("GET /tmf-api/accountManagement/v4/financialAccount/{id}", Role.BILLING, "", None),
    ("PATCH /tmf-api/accountManagement/v4/financialAccount/{id}", Role.BILLING, "", {"name": "n"}),
    ("DELETE /tmf-api/accountManagement/v4/financialAccount/{id}", Role.BILLING, "", None),
    ("GET /tmf-api/accountManagement/v4/billingCycleSpecification", Role.BILLING, "", None),
    ("POST /tmf-api/accountManagement/v4/billingCycleSpecification", Role.BILLING, "", {"name": "n"}),
    ("GET /tmf-api/accountManagement/v4/billingCycleSpecification/{id}", Role.BILLING, "", None),
    ("PATCH /tmf-api/accountManagement/v4/billingCycleSpecification/{id}", Role.BILLING, "", {"name": "n"}),
    ("DELETE /tmf-api/accountManagement/v4/billingCycleSpecification/{id}", Role.BILLING, "", None),
    ("GET /tmf-api/accountManagement/v4/billFormat", Role.BILLING, "", None),
    ("POST /tmf-api/accountManagement/v4/billFormat", Role.BILLING, "", {"name": "n"}),
    ("GET /tmf-api/accountManagement/v4/billFormat/{id}", Role.BILLING, "", None),
    ("PATCH /tmf-api/accountManagement/v4/billFormat/{id}", Role.BILLING, "", {"name": "n"}),
    ("DELETE /tmf-api/accountManagement/v4/billFormat/{id}", Role.BILLING, "", None),
    ("GET /tmf-api/accountManagement/v4/billPresentationMedia", Role.BILLING, "", None),
    ("POST /tmf-api/accountManagement/v4/billPresentationMedia", Role.BILLING, "", {"name": "n"}),
    ("GET /tmf-api/accountManagement/v4/billPresentationMedia/{id}", Role.BILLING, "", None),
    ("PATCH /tmf-api/accountManagement/v4/billPresentationMedia/{id}", Role.BILLING, "", {"name": "n"}),
    ("DELETE /tmf-api/accountManagement/v4/billPresentationMedia/{id}", Role.BILLING, "", None),
    ("GET /tmf-api/partyRoleManagement/v4/partyRole", Role.BILLING, "", None),
    ("POST /tmf-api/partyRoleManagement/v4/partyRole", Role.BILLING, "", {"name": "n", "roleType": {"id": "r"}}),
    ("GET /tmf-api/partyRoleManagement/v4/partyRole/{id}", Role.BILLING, "", None),
    ("PATCH /tmf-api/partyRoleManagement/v4/partyRole/{id}", Role.BILLING, "", {"name": "n"}),
    ("DELETE /tmf-api/partyRoleManagement/v4/partyRole/{id}", Role.BILLING, "", None),
    ("GET /tmf-api/partyInteraction/v4/partyInteraction", Role.BILLING, "", None),
    (
        "POST /tmf-api/partyInteraction/v4/partyInteraction",
        Role.BILLING,
        "",
        {"reason": "r", "direction": "inbound", "channel": [{"id": "phone"}]},
    ),
    ("GET /tmf-api/partyInteraction/v4/partyInteraction/{id}", Role.BILLING, "", None),
    ("PATCH /tmf-api/partyInteraction/v4/partyInteraction/{id}", Role.BILLING, "", {"name": "n"}),
    ("DELETE /tmf-api/partyInteraction/v4/partyInteraction/{id}", Role.BILLING, "", None),
    ("GET /tmf-api/agreementManagement/v4/agreement", Role.BILLING, "", None),
    (
        "POST /tmf-api/agreementManagement/v4/agreement",
        Role.BILLING,
        "",
        {"name": "n", "agreementType": "t", "engagedParty": [{"id": "x"}], "agreementItem": [{}]},
    ),
    ("GET /tmf-api/agreementManagement/v4/agreement/{id}", Role.BILLING, "", None),
    ("PATCH /tmf-api/agreementManagement/v4/agreement/{id}", Role.BILLING, "", {"name": "n"}),
    ("DELETE /tmf-api/agreementManagement/v4/agreement/{id}", Role.BILLING, "", None),
    ("GET /tmf-api/agreementManagement/v4/agreementSpecification", Role.BILLING, "", None),
    ("POST /tmf-api/agreementManagement/v4/agreementSpecification", Role.BILLING, "", {"name": "n", "attachment": [{}]}),
    ("GET /tmf-api/agreementManagement/v4/agreementSpecification/{id}", Role.BILLING, "", None),
    ("PATCH /tmf-api/agreementManagement/v4/agreementSpecification/{id}", Role.BILLING, "", {"name": "n"}),
    ("DELETE /tmf-api/agreementManagement/v4/agreementSpecification/{id}", Role.BILLING, "", None),
    ("GET /tmf-api/customerManagement/v4/customer", Role.BILLING, "", None),
    ("POST /tmf-api/customerManagement/v4/customer", Role.BILLING, "", {"name": "n", "engagedParty": {"id": "x"}}),
    ("GET /tmf-api/customerManagement/v4/customer/{id}", Role.BILLING, "", None),
    ("PATCH /tmf-api/customerManagement/v4/customer/{id}", Role.BILLING, "", {"name": "n"}),
    ("DELETE /tmf-api/customerManagement/v4/customer/{id}", Role.ADMIN, "", None),
    ("GET /tmf-api/usageConsumption/v4/queryUsageConsumption", Role.BILLING, "", None),
    ("POST /tmf-api/usageConsumption/v4/queryUsageConsumption", Role.BILLING, "", {"partyAccount": [{"id": "x"}]}),
    ("GET /tmf-api/usageConsumption/v4/queryUsageConsumption/{id}", Role.BILLING, "", None),
    ("DELETE /tmf-api/usageConsumption/v4/queryUsageConsumption/{id}", Role.BILLING, "", None),
    ("POST /tmf-api/party/v4/hub", Role.BILLING, "", LISTENER),
    ("DELETE /tmf-api/party/v4/hub/{id}", Role.BILLING, "", None),
    ("POST /tmf-api/accountManagement/v4/hub", Role.BILLING, "", LISTENER),
    ("DELETE /tmf-api/accountManagement/v4/hub/{id}", Role.BILLING, "", None),
    ("POST /tmf-api/partyRoleManagement/v4/hub", Role.BILLING, "", LISTENER),
    ("DELETE /tmf-api/partyRoleManagement/v4/hub/{id}", Role.BILLING, "", None),
    ("POST /tmf-api/partyInteraction/v4/hub", Role.BILLING, "", LISTENER),
    ("DELETE /tmf-api/partyInteraction/v4/hub/{id}", Role.BILLING, "", None),
    ("POST /tmf-api/agreementManagement/v4/hub", Role.BILLING, "", LISTENER),
    ("DELETE /tmf-api/agreementManagement/v4/hub/{id}", Role.BILLING, "", None),
    ("POST /tmf-api/customerManagement/v4/hub", Role.BILLING, "", LISTENER),
    ("DELETE /tmf-api/customerManagement/v4/hub/{id}", Role.BILLING, "", None),
    ("POST /tmf-api/usageConsumption/v4/hub", Role.BILLING, "", LISTENER),
    ("DELETE /tmf-api/usageConsumption/v4/hub/{id}", Role.BILLING, "", None),
    ("GET /api/v1/customers/{customer_id}/overview", Role.BILLING, "", None),
    ("GET /api/v1/customers/{customer_id}/consents", Role.BILLING, "", None),
    ("POST /api/v1/customers/{customer_id}/consents", Role.BILLING, "", {"purpose": "x", "given": True, "channel": "web", "words": "v1"}),
    ("POST /api/v1/customers/{customer_id}/erase", Role.ADMIN, "", {"reason": "asked"}),
    ("GET /api/v1/assurance/{month}", Role.BILLING, "", None),
    ("GET /api/v1/assurance/{month}/margins", Role.BILLING, "", None),
    ("GET /tmf-api/prepayBalanceManagement/v4/transferBalance", Role.BILLING, "", None),
    ("GET /tmf-api/prepayBalanceManagement/v4/transferBalance/{id}", Role.BILLING, "", None),
    (
        "POST /tmf-api/prepayBalanceManagement/v4/transferBalance",
        Role.BILLING,
        "",
        {"partyAccount": {"id": "x"}, "receiver": {"id": "y"}, "amount": {"amount": 1, "units": "octets"}},
    ),
    ("PATCH /tmf-api/prepayBalanceManagement/v4/transferBalance/{id}", Role.BILLING, "", {"status": "cancelled"}),
    ("DELETE /tmf-api/prepayBalanceManagement/v4/transferBalance/{id}", Role.BILLING, "", None),
    (
        "POST /tmf-api/prepayBalanceManagement/v4/bucket",
        Role.BILLING,
        "",
        {"partyAccount": {"id": "x"}, "usageType": "octets", "remainingValue": {"amount": 1, "units": "octets"}},
    ),
    ("GET /api/v1/ledger/months", Role.BILLING, "", None),
    ("POST /api/v1/ledger/months/{month}/close", Role.BILLING, "", None),
    ("GET /api/v1/ledger/accounts/{account}", Role.BILLING, "", None),
    ("GET /api/v1/dunning/cases", Role.BILLING, "", None),
    ("GET /api/v1/dunning/cases/{customer_id}", Role.BILLING, "", None),
    ("POST /api/v1/dunning/cases/{customer_id}/reverse", Role.BILLING, "", {"reason": "promised"}),
    ("GET /api/v1/dunning/restrictions", Role.BILLING, "", None),
    ("POST /api/v1/accounts/{customer_id}/holds", Role.BILLING, "", {"kind": "dispute", "reason": "wrong rate"}),
    ("POST /api/v1/holds/{hold_id}/end", Role.BILLING, "", {"reason": "settled"}),
    ("GET /api/v1/money-proposals", Role.BILLING, "", None),
    ("POST /api/v1/money-proposals/{proposal_id}/approve", Role.BILLING, "", None),
    ("POST /api/v1/money-proposals/{proposal_id}/refuse", Role.BILLING, "", None),
    ("POST /api/v1/write-offs/{proposal_id}/take-back", Role.BILLING, "", {"reason": "paid"}),
    ("GET /api/v1/bill-runs", Role.BILLING, "", None),
    ("POST /api/v1/bill-runs", Role.BILLING, "", {"month": "2026-10"}),
    ("GET /api/v1/bill-runs/due", Role.BILLING, "", None),
    ("POST /api/v1/bill-runs/simulate", Role.BILLING, "", {"period": "2026-10"}),
    ("POST /api/v1/bill-runs/approve", Role.BILLING, "", {"period": "2026-10"}),
    ("GET /api/v1/leakage", Role.BILLING, "", None),
    ("GET /api/v1/services/{service_id}/plan", Role.BILLING, "", None),
    ("POST /api/v1/services/{service_id}/plan", Role.BILLING, "", {"tariff": "volume", "day": "2026-10-15"}),
    ("PUT /api/v1/services/{service_id}/bill-split", Role.BILLING, "", {"parts": []}),
    ("GET /api/v1/customers/{customer_id}/one-off-charges", Role.BILLING, "", None),
    ("POST /api/v1/customers/{customer_id}/one-off-charges", Role.BILLING, "", ONCE),
    ("GET /api/v1/exchange-rates", Role.BILLING, "", None),
    ("POST /api/v1/exchange-rates", Role.BILLING, "", {"rates": [RATE]}),
    ("POST /api/v1/invoices/{invoice_id}/disputes", Role.BILLING, "", {"reason": "too much"}),
    ("GET /api/v1/disputes", Role.BILLING, "", None),
    ("POST /api/v1/disputes/{dispute_id}/accept", Role.BILLING, "", None),
    ("POST /api/v1/disputes/{dispute_id}/reject", Role.BILLING, "", None),
    ("POST /api/v1/disputes/{dispute_id}/withdraw", Role.BILLING, "", None),
    ("GET /api/v1/catalogue/lint", Role.BILLING, "", None),
    ("POST /api/v1/catalogue/dry-run", Role.BILLING, "", DRY_RUN),
    ("POST /api/v1/catalogue/publications/approve", Role.BILLING, "", VERSION),
    ("POST /api/v1/catalogue/publications", Role.BILLING, "", VERSION),
    ("GET /events", Role.VIEWER, "topics=none", None),
    ("GET /health/live", ANYONE, "", None),
    ("GET /health/ready", ANYONE, "", None),
    ("GET /health/startup", ANYONE, "", None),
    ("GET /metrics", Role.VIEWER, "", None),
]
NAMES: Final = (
    "key",
    "device_id",
    "run_id",
    "invoice_id",
    "id",
    "proposal_id",
    "note_id",
    "owner",
    "unit",
    "hold_id",
    "customer_id",
    "payment_id",
    "mandate_id",
    "batch_id",
    "entry_id",
)
PLACES: Final = dict.fromkeys(NAMES, "nothing") | {
    "dispute_id": "nothing",
    "note_id": "nothing",
    "service_id": "nothing",
    "line_no": "1",
    "tier": "5m",
    "month": "2020-01",
    "account": "x",
}
NOT_AN_ANSWER: Final = {401, 403, 405}
CALLERS: Final = [None, *Role]
ALLOWS: Final = {
    Role.VIEWER: {*Role},
    Role.OPERATOR: {Role.OPERATOR, Role.ENGINEER, Role.ADMIN},
    Role.ENGINEER: {Role.ENGINEER, Role.ADMIN},
    Role.BILLING: {Role.BILLING, Role.ADMIN},
    Role.ADMIN: {Role.ADMIN},
}


class Edge:
    """The station's own HTTP side, with a token for each role; nothing runs behind it and no telemetry store answers."""

    def __init__(self, app: FastAPI, tokens: dict[Role, str]) -> None:
        self._app, self._tokens = app, tokens
        self.operations = {f"{method.upper()} {path}" for path, methods in app.openapi()["paths"].items() for method in methods}

    async def ask(self, operation: str, query: str, body: Any, caller: Role | None) -> int:
        """The status of one answer; the client leaves once it has it, so that an event stream ends too."""
        method, path = operation.split(" ")
        headers = {"host": HOST, "content-type": "application/json"}
        headers |= {"authorization": f"Bearer {self._tokens[caller]}"} if caller else {"x-forwarded-for": "192.0.2.1"}
        status: asyncio.Future[int] = asyncio.get_running_loop().create_future()
        to_send = [{"type": "http.request", "body": json.dumps(body).encode() if body else b"", "more_body": False}]

        async def receive() -> dict[str, Any]:
            if to_send:
                return to_send.pop()
            await asyncio.wait({status})
            return {"type": "http.disconnect"}

        async def send(message: MutableMapping[str, Any]) -> None:
            if message["type"] == "http.response.start":
                status.set_result(message["status"])

        with suppress(Exception):  # the app raises what it answered 500 for once more
            await self._app(asked(method, path.format(**PLACES), query, headers), receive, send)
        return status.result()


def asked(method: str, path: str, query: str, headers: dict[str, str]) -> dict[str, Any]:
    """An ASGI scope as a server makes it."""
    return {
        "type": "http",
        "asgi": {"version": "3.0"},
        "http_version": "1.1",
        "scheme": "http",
        "method": method,
        "path": path,
        "raw_path": path.encode(),
        "query_string": query.encode(),
        "headers": [(name.encode(), value.encode()) for name, value in headers.items()],
        "client": ("127.0.0.1", 40000),
        "server": ("127.0.0.1", 8080),
    }


@pytest.fixture
async def edge(tmp_path: Path) -> AsyncIterator[Edge]:
    settings = StationSettings.model_validate({"web": {"requests_burst": 10_000}})
    ground = Ground(Plan(settings, tmp_path, {}))
    await ground.open()
    telemetry = TelemetryClient("http://127.0.0.1:9", query_timeout_s=1)
    app = create_app(web_parts(Station(ground, telemetry), ()))
    yield Edge(app, {role: await ground.security.make_token(STATION, f"as {role}", role, 1) for role in Role})
    await telemetry.close()
    await ground.state.close()


@pytest.mark.slow
async def test_every_operation_answers_only_the_roles_it_is_for(edge: Edge) -> None:
    named = {name for name, *_ in OPERATIONS}
    assert not edge.operations ^ named, "each operation needs its row in OPERATIONS, and each row its operation"
    wrong = []
    for name, least, query, body in OPERATIONS:
        for caller in CALLERS:
            status = await edge.ask(name, query, body, caller)
            expected = least == ANYONE or (caller is not None and caller in ALLOWS[Role(least)])
            refusal = 401 if caller is None else 403
            if (status in NOT_AN_ANSWER) if expected else (status != refusal):
                wrong.append(f"{name} as {caller or 'nobody'}: {status}")
    assert not wrong, "\n".join(wrong)
