"""Operational state by NETCONF: the filter asks for what is wanted, the answer is read flat, any text is survived."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from collectors.codecs.ber import DecodeError
from collectors.codecs.netconf_state import NetconfModel, leaves, library_modules, modules_of, streams_of
from collectors.inputs.netconf import models

BY_NAME = {model.name: model for model in models()}
REPLY = (
    '<rpc-reply xmlns="urn:ietf:params:xml:ns:netconf:base:1.0"><data><x/>'
    '<interfaces-state xmlns="urn:ietf:params:xml:ns:yang:ietf-interfaces"><interface><oper-status>up</oper-status><name> ge-0 </name>'
    "<statistics><in-octets>7</in-octets></statistics></interface></interfaces-state></data></rpc-reply>"
)


def test_a_reply_becomes_leaves_with_their_key_wherever_it_stands() -> None:
    assert list(leaves(REPLY, BY_NAME["ietf_interfaces_state"])) == [
        ("ge-0", "oper-status", "up"),
        ("ge-0", "name", "ge-0"),
        ("ge-0", "statistics/in-octets", "7"),
    ]
    assert list(leaves(REPLY, BY_NAME["ietf_interfaces"])) == []


def test_the_filter_names_each_container_once() -> None:
    subtree = BY_NAME["ietf_interfaces"].subtree
    assert subtree.count("<statistics>") == 1
    assert subtree.startswith('<interfaces xmlns="urn:ietf:params:xml:ns:yang:ietf-interfaces"><interface><name/><oper-status/>')


def test_the_xpath_filter_asks_for_the_same() -> None:
    namespaces, expression = BY_NAME["ietf_interfaces_state"].xpath
    assert namespaces == {"m": "urn:ietf:params:xml:ns:yang:ietf-interfaces"}
    assert expression.startswith("/m:interfaces-state/m:interface/m:name | /m:interfaces-state/m:interface/m:oper-status")
    assert "/m:interfaces-state/m:interface/m:statistics/m:in-octets" in expression


@pytest.mark.parametrize(
    "listed",
    [
        '<yang-library xmlns="{0}ietf-yang-library"><module-set><module><name>a</name><revision>1</revision></module></module-set>'
        "</yang-library>",
        '<modules-state xmlns="{0}ietf-yang-library"><module><name>a</name><revision>1</revision></module></modules-state>',
        '<netconf-state xmlns="{0}ietf-netconf-monitoring"><schemas><schema><identifier>a</identifier><version>1</version>'
        "</schema></schemas></netconf-state>",
    ],
)
def test_modules_are_found_wherever_a_server_lists_them(listed: str) -> None:
    assert library_modules(f"<data>{listed.format('urn:ietf:params:xml:ns:yang:')}</data>") == {"a": "1"}


@pytest.mark.parametrize(
    ("capability", "served"),
    [
        ("urn:x?module=ietf-interfaces&revision=2014-05-08&features=if-mib", ["ietf_interfaces_state"]),
        ("urn:x?module=ietf-interfaces&revision=2018-02-20", ["ietf_interfaces"]),
        ("http://openconfig.net/yang/interfaces?module=openconfig-interfaces&revision=2021-04-06", ["openconfig_interfaces"]),
        ("urn:ietf:params:netconf:base:1.1", []),
    ],
)
def test_the_announced_module_decides_what_is_asked_for(capability: str, served: list[str]) -> None:
    assert [model.name for model in models() if model.serves(modules_of([capability]))] == served


@given(st.text(max_size=200) | st.text(max_size=200).map(lambda text: REPLY.replace("7", text)))
def test_any_reply_is_read_or_refused(text: str) -> None:
    model: NetconfModel = BY_NAME["ietf_interfaces_state"]
    try:
        assert all(isinstance(path, str) for _, path, _ in leaves(text, model))
        library_modules(text)
        streams_of(text)
    except DecodeError:
        return
