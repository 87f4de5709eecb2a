"""The two OAuth addresses: the sandbox agrees at once, as a person who presses "Allow" would."""

from urllib.parse import urlencode

from swit_provisioning.sandbox.http import Arguments, Reply
from swit_provisioning.sandbox.model import Behaviour, RefusedError
from swit_provisioning.sandbox.tokens import DEFAULT_SCOPE, Tokens


def authorize(tokens: Tokens, behaviour: Behaviour, arguments: Arguments) -> Reply:
    """Send the browser back with a code and the state.

    Raises:
        RefusedError: 400, an unknown client or an address that isn't registered: nobody is sent
            there. Other problems are told to the address, as OAuth has it.

    """
    redirect_url = arguments.text("redirect_uri")
    if arguments.text("client_id") != tokens.client_id:
        raise RefusedError(400, "The client_id is unknown.")
    if redirect_url not in tokens.redirect_urls:
        raise RefusedError(400, f"The redirect_uri {redirect_url} is not registered.")
    state = arguments.optional_text("state")
    answer = {} if state is None else {"state": state}
    if arguments.optional_text("response_type") != "code":
        return _redirect(redirect_url, {"error": "unsupported_response_type", **answer})
    wrong_key = _wrong_proof_key(behaviour, arguments)
    if wrong_key is not None:
        told = {"error": "invalid_request", "error_description": wrong_key}
        return _redirect(redirect_url, {**told, **answer})
    challenge = None
    if behaviour.pkce == "checked":
        challenge = arguments.optional_text("code_challenge")
    try:
        scope = arguments.optional_text("scope") or DEFAULT_SCOPE
        code = tokens.code_for(redirect_url=redirect_url, scope=scope, challenge=challenge)
    except RefusedError as refused:
        told = {"error": "invalid_scope", "error_description": refused.message}
        return _redirect(redirect_url, {**told, **answer})
    return _redirect(redirect_url, {"code": code, **answer})


def token(tokens: Tokens, behaviour: Behaviour, arguments: Arguments) -> Reply:
    """A pair of tokens for a code or for a refresh token.

    Raises:
        RefusedError: 401 for the client, 400 for the code, the refresh token or the grant type.

    """
    client = (arguments.optional_text("client_id"), arguments.optional_text("client_secret"))
    if client != (tokens.client_id, tokens.client_secret):
        raise RefusedError(401, "The client_id or the client_secret is wrong.")
    match arguments.text("grant_type"):
        case "authorization_code":
            verifier = arguments.optional_text("code_verifier")
            if verifier is not None and behaviour.pkce == "refused at token":
                raise RefusedError(400, "The parameter code_verifier is not known.")
            body = tokens.exchange(
                code=arguments.text("code"),
                redirect_url=arguments.text("redirect_uri"),
                verifier=verifier,
            )
        case "refresh_token":
            body = tokens.refresh(arguments.text("refresh_token"))
        case other:
            raise RefusedError(400, f"The grant_type {other} is not supported.")
    return Reply(body=body, headers={"Cache-Control": "no-store"})


def _wrong_proof_key(behaviour: Behaviour, arguments: Arguments) -> str | None:
    """What is wrong with the proof key that a login announces (RFC 7636)."""
    challenge = arguments.optional_text("code_challenge")
    if challenge is None or behaviour.pkce == "ignored":
        return None
    if behaviour.pkce == "refused at authorize":
        return "The parameter code_challenge is not known."
    method = arguments.optional_text("code_challenge_method")
    return None if method == "S256" else "The code_challenge_method must be S256."


def _redirect(url: str, answer: dict[str, str]) -> Reply:
    joint = "&" if "?" in url else "?"
    return Reply(status=302, raw=b"", headers={"Location": f"{url}{joint}{urlencode(answer)}"})
