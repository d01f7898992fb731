"""MSAL for Python gets tokens by secret and by certificate, as its documentation says, and hears Entra's errors."""

import base64
import hashlib
import json
import re
import ssl

import msal
from azure.identity import CertificateCredential

from common import READY, SCOPE, TENANT, Report

AUTHORITY = f"{TENANT['authority']}/{TENANT['id']}"


def application(credential, client_id=TENANT["clientId"], authority=AUTHORITY):
    # The host is none of Microsoft's, so MSAL must not ask Microsoft about it.
    return msal.ConfidentialClientApplication(
        client_id,
        authority=authority,
        client_credential=credential,
        instance_discovery=False,
        verify=READY["ca"],
    )


def pem(label):
    """One part of the application's certificate with its private key."""
    return re.search(f"-----BEGIN {label}-----.*?-----END {label}-----", TENANT["certificate"], re.S)[0]


def claims(token):
    body = token.split(".")[1]
    return json.loads(base64.urlsafe_b64decode(body + "=" * (-len(body) % 4)))


report = Report()

with report.check("msal: a token by secret, and the second time from the cache"):
    app = application(TENANT["clientSecret"])
    first = app.acquire_token_for_client(scopes=[SCOPE])
    assert first.get("token_type") == "Bearer", first
    assert first["token_source"] == "identity_provider", first["token_source"]
    again = app.acquire_token_for_client(scopes=[SCOPE])
    assert again["token_source"] == "cache", again["token_source"]
    assert again["access_token"] == first["access_token"]

with report.check("msal: a token by certificate, PS256 with x5t#S256"):
    credential = {"private_key": pem("PRIVATE KEY"), "public_certificate": pem("CERTIFICATE")}
    answer = application(credential).acquire_token_for_client(scopes=[SCOPE])
    assert "access_token" in answer, answer
    token = claims(answer["access_token"])
    assert (token["tid"], token["appid"]) == (TENANT["id"], TENANT["clientId"]), token

with report.check("msal: a token by certificate, RS256 with x5t"):
    thumbprint = hashlib.sha1(ssl.PEM_cert_to_DER_cert(pem("CERTIFICATE"))).hexdigest()
    credential = {"private_key": pem("PRIVATE KEY"), "thumbprint": thumbprint}
    answer = application(credential).acquire_token_for_client(scopes=[SCOPE])
    assert "access_token" in answer, answer

with report.check("azure-identity: a token by certificate"):
    credential = CertificateCredential(
        TENANT["id"],
        TENANT["clientId"],
        certificate_data=TENANT["certificate"].encode(),
        authority=TENANT["authority"],
        disable_instance_discovery=True,
    )
    assert claims(credential.get_token(SCOPE).token)["idtyp"] == "app"

with report.check("msal: a certificate that was not uploaded is invalid_client, AADSTS700027"):
    credential = {"private_key": pem("PRIVATE KEY"), "thumbprint": "0" * 40}
    answer = application(credential).acquire_token_for_client(scopes=[SCOPE])
    assert (answer["error"], answer["error_codes"]) == ("invalid_client", [700027]), answer

with report.check("msal: a wrong secret is invalid_client, AADSTS7000215"):
    answer = application("wrong").acquire_token_for_client(scopes=[SCOPE])
    assert answer["error"] == "invalid_client", answer
    assert answer["error_codes"] == [7000215], answer
    assert answer["correlation_id"], answer

with report.check("msal: an unknown application is unauthorized_client, AADSTS700016"):
    app = application(TENANT["clientSecret"], client_id="00000000-1111-2222-3333-444444444444")
    answer = app.acquire_token_for_client(scopes=[SCOPE])
    assert answer["error"] == "unauthorized_client", answer
    assert answer["error_codes"] == [700016], answer

with report.check("msal: an unknown tenant is refused before a token is asked for"):
    unknown = f"{TENANT['authority']}/99999999-8888-7777-6666-555555555555"
    try:
        app = application(TENANT["clientSecret"], authority=unknown)
        answer = app.acquire_token_for_client(scopes=[SCOPE])
    except ValueError as refused:
        answer = {"error_description": str(refused)}
    assert "access_token" not in answer and "tenant" in answer["error_description"].lower(), answer

report.end()
