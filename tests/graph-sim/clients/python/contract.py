"""Google's tools make a client of the contract, and it calls the token-broker: the contract is enough, also for others."""

import base64
import json
import pathlib
import sys
import tempfile
import urllib.request

import grpc
from grpc_tools import protoc

from common import READY, TENANT, Report

BROKER = READY["broker"]
PROTO = pathlib.Path(BROKER["proto"])


def file(path):
    return pathlib.Path(path).read_bytes()


def channel(name):
    """Of somebody whom the authority knows by this name; None shows no certificate."""
    own = BROKER["identities"].get(name)
    credentials = grpc.ssl_channel_credentials(
        file(READY["ca"]), *([file(own["key"]), file(own["certificate"])] if own else [])
    )
    return grpc.secure_channel(f"localhost:{BROKER['port']}", credentials)


def refused(call, code, *says):
    try:
        answer = call()
    except grpc.RpcError as e:
        if e.code() != code or not all(word in e.details() for word in says):
            raise AssertionError(f"{e.code()}: {e.details()}") from e
    else:
        raise AssertionError(f"it was answered: {type(answer)}")


def wanted(tenant=TENANT["id"], dataset="users"):
    return token.GetTokenRequest(tenant_id=tenant, dataset=dataset)


def claims(text):
    body = text.split(".")[1]
    return json.loads(base64.urlsafe_b64decode(body + "=" * (-len(body) % 4)))


report = Report()
made = tempfile.TemporaryDirectory()

with report.check("grpcio-tools: a client of every file of the contract"):
    files = sorted(str(path) for path in PROTO.rglob("*.proto"))
    outputs = [f"--{kind}_out={made.name}" for kind in ("python", "grpc_python")]
    assert files and protoc.main(["protoc", f"-I{PROTO}", *outputs, *files]) == 0
    sys.path.insert(0, made.name)
    from leastwise.admin.v1 import admin_pb2 as admin, admin_pb2_grpc as admin_grpc
    from leastwise.token.v1 import token_pb2 as token, token_pb2_grpc as token_grpc

collector = token_grpc.TokenServiceStub(channel("collector"))

with report.check("grpcio: the tenants that a caller may work for"):
    listed = collector.ListTenants(token.ListTenantsRequest()).tenants
    assert [each.tenant_id for each in listed] == [TENANT["id"]], listed
    assert "users" in listed[0].datasets and listed[0].graph_base == TENANT["graph"]
    assert listed[0].state == token.TENANT_STATE_ACTIVE

with report.check("grpcio: a token that Graph takes, and for how long"):
    answer = collector.GetToken(wanted())
    assert 0 < answer.use_for_seconds <= 300
    assert claims(answer.access_token)["tid"] == TENANT["id"]
    request = urllib.request.Request(f"{TENANT['graph']}/v1.0/users?$top=1")
    request.add_header("authorization", f"Bearer {answer.access_token}")
    with urllib.request.urlopen(request) as users:
        assert len(json.load(users)["value"]) == 1
    assert collector.GetToken(wanted()).access_token == answer.access_token
    again = token.GetTokenRequest(tenant_id=TENANT["id"], dataset="users", refused=True)
    assert collector.GetToken(again).access_token != answer.access_token

with report.check("grpcio: who has no rule in the policy gets nothing and sees nobody"):
    other = token_grpc.TokenServiceStub(channel("other"))
    refused(lambda: other.GetToken(wanted()), grpc.StatusCode.PERMISSION_DENIED, "LW-2036")
    assert not other.ListTenants(token.ListTenantsRequest()).tenants

with report.check("grpcio: who is on no list may nothing, and who shows no certificate gets no answer"):
    stranger = token_grpc.TokenServiceStub(channel("stranger"))
    refused(lambda: stranger.GetToken(wanted()), grpc.StatusCode.PERMISSION_DENIED, "LW-2021")
    nobody = token_grpc.TokenServiceStub(channel(None))
    refused(lambda: nobody.GetToken(wanted()), grpc.StatusCode.UNAVAILABLE)

with report.check("grpcio: codes for an unknown tenant, what is no tenant, and an unknown dataset"):
    unknown = "11111111-2222-3333-4444-555555555555"
    refused(lambda: collector.GetToken(wanted(unknown)), grpc.StatusCode.NOT_FOUND, "LW-2011")
    refused(lambda: collector.GetToken(wanted("x")), grpc.StatusCode.INVALID_ARGUMENT)
    call = lambda: collector.GetToken(wanted(dataset="mailboxes"))
    refused(call, grpc.StatusCode.PERMISSION_DENIED, "LW-2012")

with report.check("grpcio: an operator stops tokens, with a reason only, and lets them go again"):
    operator = admin_grpc.TokenBrokerAdminStub(channel("operator"))
    everybody = admin.KillRequest(everybody=True)
    refused(lambda: operator.Kill(everybody), grpc.StatusCode.FAILED_PRECONDITION, "LW-2022")
    why = [("leastwise-reason-bin", "für den Test".encode())]
    assert operator.Kill(everybody, metadata=why).use_for_seconds == 300
    refused(lambda: collector.GetToken(wanted()), grpc.StatusCode.PERMISSION_DENIED, "LW-2062")
    assert operator.Status(admin.TokenBrokerStatusRequest()).kills[0].why == "für den Test"
    operator.Revive(admin.ReviveRequest(everybody=True), metadata=why)
    collector.GetToken(wanted())

report.end()
