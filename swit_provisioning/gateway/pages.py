"""The few pages that a person sees in a browser: plain HTML, no script, nothing from elsewhere."""

import base64
import hashlib
from collections.abc import Iterable, Mapping
from html import escape
from typing import Final

from starlette.background import BackgroundTask
from starlette.responses import HTMLResponse

from swit_provisioning.resources.login import NewLogin

_STYLE: Final = """
:root { color-scheme: light dark; }
body { font: 18px/1.5 system-ui, sans-serif; margin: 12vh auto; max-width: 38rem;
  padding: 0 1.25rem; }
h1 { font-size: 1.5rem; line-height: 1.25; } p { overflow-wrap: anywhere; }
.warning { border-left: .3rem solid #b54708; padding-left: .8rem; }
label, input, button { display: block; font: inherit; }
input { box-sizing: border-box; width: 100%; margin: .3rem 0 1rem; padding: .5rem; }
button { padding: .5rem 1.4rem; }
"""


def page(
    title: str,
    paragraphs: Iterable[str] = (),
    *,
    warnings: Iterable[str] = (),
    form: str = "",
    status: int = 200,
    then: BackgroundTask | None = None,
    headers: Mapping[str, str] | None = None,
) -> HTMLResponse:
    """A page with a heading and some sentences, escaped here; `form` is HTML of our own.

    `then` is run once it is sent.
    """
    said = "".join(f"<p>{escape(sentence)}</p>" for sentence in paragraphs)
    warned = "".join(
        f'<p class="warning" role="alert">{escape(sentence)}</p>' for sentence in warnings
    )
    html = f"""<!doctype html>
<html lang="en"><head><meta charset="utf-8"><title>{escape(title)} - swit_provisioning</title>
<meta name="viewport" content="width=device-width, initial-scale=1">
<style>{_STYLE}</style></head>
<body><main><h1>{escape(title)}</h1>{said}{warned}{form}</main></body></html>
"""
    return HTMLResponse(
        html, status_code=status, headers={**_headers(), **(headers or {})}, background=then
    )


def logged_in(login: NewLogin, *, then: BackgroundTask | None = None) -> HTMLResponse:
    """The end of a login that went well."""
    account = login.account
    who = f"{account.email} ({account.role})" if account.role else account.email
    where = account.organization_name or account.organization_id
    sentences = (
        f"{who} of {where} is stored, and renewed by itself from now on.",
        "You may close this page.",
    )
    return page("Logged in", sentences, warnings=login.warnings, then=then)


def login_failed(
    error: Exception, *, status: int = 400, then: BackgroundTask | None = None
) -> HTMLResponse:
    """The end of a login that did not."""
    sentences = ("Nothing was stored; a login that was stored before is still there.",)
    return page("Not logged in", sentences, warnings=[str(error)], status=status, then=then)


def key_form(
    problem: str = "",
    *,
    notes: Iterable[str] = (),
    status: int = 200,
    wait: int | None = None,
) -> HTMLResponse:
    """Asks for the key, before anybody is sent to Swit."""
    form = """<form method="post" action="login">
<label for="key">OPERATION_AUTH_KEY</label>
<input id="key" name="key" type="password" autocomplete="off" required autofocus>
<button>Log in to Swit</button></form>"""
    return page(
        "Log in to Swit",
        ["The login is for the nightly sync. Use an administrator's account of the organisation."],
        warnings=[*filter(None, [problem]), *notes],
        form=form,
        status=status,
        headers={"Retry-After": str(wait)} if wait is not None else None,
    )


def _headers() -> dict[str, str]:
    """No script, no frame, no trace in a cache or at the next site: the address holds a code.

    No `form-action`: in Chromium it would also stop the way from the form on to Swit, and to
    whatever sign-on the company has behind it.
    """
    digest = base64.b64encode(hashlib.sha256(_STYLE.encode()).digest()).decode()
    policy = f"default-src 'none'; style-src 'sha256-{digest}'; base-uri 'none'"
    return {
        "Content-Security-Policy": f"{policy}; frame-ancestors 'none'",
        "Cache-Control": "no-store",
        "Referrer-Policy": "no-referrer",
        "X-Content-Type-Options": "nosniff",
    }
