"""The shipped nginx site in front of approvals: only its sign-on names the approver."""

import re
from pathlib import Path

import pytest

from swit_provisioning_tests.apply.changes import departures
from swit_provisioning_tests.gateway.approval_site import approval_site, token_in
from swit_provisioning_tests.integration.authority import certificate
from swit_provisioning_tests.integration.deployment import DEPLOY
from swit_provisioning_tests.integration.nginx import PASSWORDS, nginx
from swit_provisioning_tests.ports import free_port

DOCUMENTED = re.compile(r"^location /plans/ \{.*?^\}", re.MULTILINE | re.DOTALL)


@pytest.mark.needs("nginx")
def test_only_the_sign_on_of_nginx_names_the_approver(tmp_path: Path) -> None:
    tls, etc, port = certificate(tmp_path), tmp_path / "nginx", free_port()
    documented = DOCUMENTED.search(
        (DEPLOY.parent / "docs" / "how-to" / "approve.md").read_text("utf-8")
    )
    assert documented is not None
    url = f"https://127.0.0.1:{port}"
    more = {"APPROVAL_KEY": "", "APPROVER_HEADER": "X-Approver", "GATEWAY_URL": url}
    with approval_site(tmp_path, behind_proxy=True, **more) as site:
        gateway_port = int(site.url.rpartition(":")[2])
        location = documented[0].replace("/etc/swit-provisioning", str(etc))
        location = location.replace("127.0.0.1:5000", f"127.0.0.1:{gateway_port}")
        sign_on = (
            f"server {{ listen 127.0.0.1:{port} ssl; ssl_certificate {etc}/tls.pem;"
            f" ssl_certificate_key {etc}/tls.key; {location} }}"
        )
        servers = {"web": gateway_port, "review": gateway_port, "gateway": gateway_port}
        with nginx(tmp_path, tls, servers, more=sign_on) as ports:
            plan_hash = site.make(departures(1, 2, 3))
            ann, eve = site.somebody(), site.somebody()
            for person in (ann, eve):
                person.verify = str(tls.authority)
            ann.auth = ("ann", PASSWORDS["ann"])
            claim = {"X-Approver": "boss", "Origin": url}
            shipped = f"https://127.0.0.1:{ports['8443']}/plans/{plan_hash}"
            assert eve.get(shipped, headers=claim, timeout=30).status_code == 403
            signed_on = f"{url}/plans/{plan_hash}"
            assert eve.get(signed_on, headers=claim, timeout=30).status_code == 401
            page = ann.get(signed_on, headers=claim, timeout=30)
            assert page.status_code == 200
            form = {"token": token_in(page), "decision": "approve", "reason": "sold"}
            assert ann.post(signed_on, data=form, headers=claim, timeout=30).status_code == 200
            approval = site.approval(plan_hash)
            assert approval is not None
            assert approval.actor == "ann"
