"""What people type into the settings: servers, bases, attributes, filters."""

import pytest

from swit_provisioning.sources.attributes import (
    AttributeMapping,
    parse_group_attributes,
    parse_user_attributes,
)
from swit_provisioning.sources.config import LdapConfig, ServerAddress, parse_bases, parse_servers
from swit_provisioning.sources.filters import parse_filter
from swit_provisioning.sources.server_types import GROUP_FILTER, USER_FILTER

BASE = "OU=HQ,DC=example,DC=com"


def shown(text: str, port: int = 636, tls: str | None = None) -> list[str]:
    return [str(server) for server in parse_servers(text, port, tls)]


@pytest.mark.parametrize(
    ("text", "port", "tls", "expected"),
    [
        ("dc1.example.com", 636, None, ["ldaps://dc1.example.com"]),
        ("dc1.example.com", 389, None, ["ldap://dc1.example.com (StartTLS)"]),
        ("dc1", 3269, None, ["ldaps://dc1:3269"]),
        ("dc1:1636 dc1:10636", 389, None, ["ldaps://dc1:1636", "ldaps://dc1:10636"]),
        ("dc1", 3269, "starttls", ["ldap://dc1:3269 (StartTLS)"]),
        ("dc1", 7636, "ldaps", ["ldaps://dc1:7636"]),
        ("dc1", 389, "none", ["ldap://dc1 (not encrypted)"]),
        ("dc1,dc2 dc3;dc1", 636, None, ["ldaps://dc1", "ldaps://dc2", "ldaps://dc3"]),
        ("ldap://dc1", 636, None, ["ldap://dc1 (StartTLS)"]),
        ("ldaps://dc1", 389, None, ["ldaps://dc1"]),
        ("ldaps://dc1:1636/", 389, None, ["ldaps://dc1:1636"]),
        ("LDAPS://DC1.Example.com", 636, "ldaps", ["ldaps://dc1.example.com"]),
        ("dc1:1389", 636, "starttls", ["ldap://dc1:1389 (StartTLS)"]),
        ("::1, [::1]:1636, 192.0.2.1", 636, "ldaps",
         ["ldaps://[::1]", "ldaps://[::1]:1636", "ldaps://192.0.2.1"]),
    ],
)  # fmt: skip
def test_servers_are_names_or_addresses_in_order(
    text: str, port: int, tls: str | None, expected: list[str]
) -> None:
    assert shown(text, port, tls) == expected


@pytest.mark.parametrize(
    ("text", "tls", "problem"),
    [
        ("", None, "no server"),
        (" , ", None, "no server"),
        ("http://dc1", None, "not ldap:// or ldaps://"),
        ("ldapi://%2Frun%2Fslapd", None, "not ldap:// or ldaps://"),
        ("ldaps://dc1/dc=example", None, "LDAP_SEARCH_BASE"),
        ("ldaps://me:secret@dc1", None, "only a host"),
        ("dc1:ldap", None, "not a number"),
        ("dc1:99999", None, "port"),
        ("dc_1?x", None, "only a host"),
        ("ldaps://me:secret@dc1:x", None, "'...@dc1:x'"),
        ("[::1", None, "server '[::1'"),
        ("ldap://dc1", "ldaps", "contradict"),
        ("ldaps://dc1", "none", "contradict"),
        ("ldaps://dc1", "starttls", "contradict"),
        ("dc1", "off", "ldaps, starttls or none"),
    ],
)
def test_a_server_that_can_not_be_used_is_named_with_an_example(
    text: str, tls: str | None, problem: str
) -> None:
    with pytest.raises(ValueError, match="LDAP_") as caught:
        parse_servers(text, 636, tls)
    assert problem in str(caught.value)
    assert "secret" not in str(caught.value)


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("", [BASE]),
        (" ; ", [BASE]),
        ("Employees,Partners", [f"OU=Employees,{BASE}", f"OU=Partners,{BASE}"]),
        ("Employees, employees", [f"OU=employees,{BASE}"]),
        ("OU=Staff,OU=Guests", [f"OU=Staff,{BASE}", f"OU=Guests,{BASE}"]),
        (
            "OU=Staff,OU=Employees;Partners",
            [f"OU=Staff,OU=Employees,{BASE}", f"OU=Partners,{BASE}"],
        ),
        (f"OU=Staff,{BASE}", [f"OU=Staff,{BASE}"]),
        (f"ou=staff,ou=hq,dc=example,dc=com;{BASE}", ["ou=staff,ou=hq,dc=example,dc=com", BASE]),
        ("Sales, EMEA;", [rf"OU=Sales\, EMEA,{BASE}"]),
        (r"Sales\, EMEA", [rf"OU=Sales\, EMEA,{BASE}"]),
        ("R+D;#1", [rf"OU=R\+D,{BASE}", rf"OU=\#1,{BASE}"]),
        ("CN=Users", [f"CN=Users,{BASE}"]),
        ("人事部", [f"OU=人事部,{BASE}"]),
    ],
)
def test_bases_are_names_or_names_below_the_search_base(text: str, expected: list[str]) -> None:
    assert list(parse_bases(text, BASE)) == expected


@pytest.mark.parametrize(
    ("text", "base", "problem"),
    [
        ("Employees", "", "LDAP_SEARCH_BASE is not set"),
        ("Employees", "example.com", "LDAP_SEARCH_BASE"),
        ("OU=Staff,OU=Elsewhere,DC=example,DC=com;", BASE, "not below LDAP_SEARCH_BASE"),
        ("OU=Staff,DC=example,DC=com", BASE, "not below LDAP_SEARCH_BASE"),
        ("R&D=Lab", BASE, r"Write `\=`"),
        ("Back\\zlash", BASE, "for a backslash"),
    ],
)
def test_a_base_that_can_not_be_used_is_an_error_with_an_example(
    text: str, base: str, problem: str
) -> None:
    with pytest.raises(ValueError, match=r"D?C=") as caught:
        parse_bases(text, base)
    assert problem in str(caught.value)


def test_attributes_replace_those_of_the_reference_program() -> None:
    users = parse_user_attributes("name=givenName, email=userPrincipalName,language=")
    both = parse_group_attributes("name=description;order=sortOrder", users)
    assert both == AttributeMapping(
        email="userPrincipalName",
        name=("givenName", "cn"),
        language=None,
        group_name=("description", "cn"),
        order="sortOrder",
    )


@pytest.mark.parametrize(
    "text",
    [
        "name=displayName;lang-ja,email=mail,language=",
        "name=displayName;lang-ja; email=mail;language=;",
    ],
)
def test_an_attribute_may_carry_a_language_tag(text: str) -> None:
    """People without the tagged value are named by the attribute itself, before `cn`."""
    mapping = parse_user_attributes(text)
    assert mapping.name == ("displayName;lang-ja", "displayName", "cn")
    assert (mapping.email, mapping.language) == ("mail", None)
    assert parse_group_attributes("name=cn;lang-ja").group_name == ("cn;lang-ja", "cn")


def test_no_text_keeps_the_usual_attributes() -> None:
    usual = AttributeMapping()
    assert parse_user_attributes("") == parse_group_attributes(" ") == usual
    assert usual.of_users() == ("mail", "displayName", "cn", "mobile", "preferredLanguage")
    assert usual.of_groups() == ("displayName", "cn")


@pytest.mark.parametrize(
    "text",
    [
        "mail",
        "mail=email",
        "email=",
        "name=",
        "email=e mail",
        "name=displayName;lang ja",
        "email=a,email=b",
        "order=x",
        "name=*",
    ],
)
def test_an_attribute_that_can_not_be_used_is_an_error_with_an_example(text: str) -> None:
    with pytest.raises(ValueError, match="LDAP_USER_ATTRIBUTES=name=displayName"):
        parse_user_attributes(text)


@pytest.mark.parametrize(
    "text",
    [
        USER_FILTER,
        GROUP_FILTER,
        "(&(objectClass=user)(mail=*)(!(userAccountControl:1.2.840.113556.1.4.803:=2)))",
        r"(cn=Sales \28EMEA\29*)",
        "(:dn:2.5.13.5:=x)",
        "(cn;lang-de=Straße)",
    ],
)
def test_a_good_filter_stays_as_it_was_typed(text: str) -> None:
    assert parse_filter(f" {text} ") == text


def test_a_filter_gets_the_outer_brackets_that_were_left_out() -> None:
    assert parse_filter("mail=*@example.com") == "(mail=*@example.com)"
    assert parse_filter("&(a=b)(c=d)") == "(&(a=b)(c=d))"


@pytest.mark.parametrize(
    "text",
    [
        "",
        "()",
        "(&(a=b)",
        "(a=b))",
        "(a=b)(c=d)",
        "(!(a=b)(c=d))",
        "(mail)",
        "(=x)",
        "(e mail=x)",
        r"(cn=back\slash)",
        "(&)",
    ],
)
def test_a_filter_that_no_server_would_take_is_an_error_with_an_example(text: str) -> None:
    with pytest.raises(ValueError, match="Write it as in") as caught:
        parse_filter(text)
    assert repr(text) in str(caught.value)


def config(**changes: object) -> LdapConfig:
    values = {
        "servers": (ServerAddress(host="dc1", port=636, tls="ldaps"),),
        "user": "cn=reader",
        "password": "not for anyone",
        "search_base": BASE,
        "user_bases": (BASE,),
        "group_bases": (BASE,),
    }
    return LdapConfig(**{**values, **changes})  # type: ignore[arg-type] # wrong ones are the point


@pytest.mark.parametrize(
    ("changes", "setting"),
    [
        ({"user": " "}, "LDAP_USER"),
        ({"password": ""}, "LDAP_PASSWORD"),
    ],
)
def test_an_anonymous_bind_is_refused(changes: dict[str, object], setting: str) -> None:
    with pytest.raises(ValueError, match=setting):
        config(**changes)


def test_the_password_is_not_in_the_representation() -> None:
    assert "not for anyone" not in repr(config())
    assert "not for anyone" not in str(config())
