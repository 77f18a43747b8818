#!/usr/bin/env python3
"""Makes the project's own vectors, from the documented schemes and independently of the engine: `vectors/*.json`.

Needs the package `cryptography`. Asymmetric keys are made anew each time, so the files change as a whole.
"""

import base64, binascii, datetime, hashlib, hmac, json, pathlib, unicodedata, zlib
from urllib.parse import quote, urlencode

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec, ed25519, padding, rsa
from cryptography.hazmat.primitives.asymmetric.utils import decode_dss_signature
from cryptography.x509.oid import NameOID

NOW = 1700000000
URL = "https://gateway.example.com/in/src_test"
BODY = b'{"id":"evt_1","text":"caf\\u00e9 / \xc3\xa9","n":10.00}'
SECRET = "a secret that is long enough"
OTHER = "another secret, long enough"
FORM = "application/x-www-form-urlencoded"
OUT = pathlib.Path(__file__).parent / "vectors"

b64 = lambda raw: base64.b64encode(raw).decode()
b64u = lambda raw: base64.urlsafe_b64encode(raw).rstrip(b"=").decode()
mac = lambda key, message, digest="sha256": hmac.new(
    key if isinstance(key, bytes) else key.encode(), message, digest
).digest()
raw = lambda text: text if isinstance(text, bytes) else text.encode()


def spki(key, form="pem"):
    public = key.public_key()
    encoding = serialization.Encoding.PEM if form == "pem" else serialization.Encoding.DER
    out = public.public_bytes(encoding, serialization.PublicFormat.SubjectPublicKeyInfo)
    return out.decode() if form == "pem" else b64(out)


def bare(key):
    return key.public_key().public_bytes(serialization.Encoding.Raw, serialization.PublicFormat.Raw)


RSA = rsa.generate_private_key(65537, 2048)
RSA2 = rsa.generate_private_key(65537, 2048)
EC = ec.generate_private_key(ec.SECP256R1())
EC2 = ec.generate_private_key(ec.SECP256R1())
ED = ed25519.Ed25519PrivateKey.generate()
ED2 = ed25519.Ed25519PrivateKey.generate()
rsa_sign = lambda key, message, digest=hashes.SHA256(): key.sign(message, padding.PKCS1v15(), digest)
ec_sign = lambda key, message, digest=hashes.SHA256(): key.sign(message, ec.ECDSA(digest))


def certificate(key, days=3650):
    name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "test")])
    start = datetime.datetime(2023, 1, 1)
    made = (
        x509.CertificateBuilder()
        .subject_name(name)
        .issuer_name(name)
        .public_key(key.public_key())
        .serial_number(7)
        .not_valid_before(start)
        .not_valid_after(start + datetime.timedelta(days=days))
        .sign(key, hashes.SHA256())
    )
    return made.public_bytes(serialization.Encoding.PEM).decode()


def fixed(signature, size=32):
    r, s = decode_dss_signature(signature)
    return r.to_bytes(size, "big") + s.to_bytes(size, "big")


def jws(claims, key, alg="HS256", head=None, payload=None):
    header = {"alg": alg, "typ": "JWT", **(head or {})}
    first = b64u(json.dumps(header).encode())
    second = b64u(json.dumps(claims).encode() if payload is None else payload)
    message = f"{first}.{second}".encode()
    if alg.startswith("HS"):
        signature = mac(key, message, "sha" + alg[2:])
    elif alg == "ES256":
        signature = fixed(ec_sign(key, message))
    elif alg == "EdDSA":
        signature = key.sign(message)
    elif alg == "none":
        signature = b""
    else:
        signature = rsa_sign(key, message, {"256": hashes.SHA256(), "512": hashes.SHA512()}[alg[2:]])
    return f"{first}.{second}.{b64u(signature)}"


class File:
    def __init__(self, provider):
        self.provider, self.vectors = provider, []

    def add(self, name, expect, headers=None, body=BODY, method="POST", url=URL, secret=None, now=NOW, **material):
        self.vectors.append(
            {
                "name": name,
                "method": method,
                "url": url,
                "headers": headers or {},
                "body_base64": b64(raw(body)),
                "secret": secret,
                "key_material": material or None,
                "now_unix": now,
                "expect": expect,
            }
        )

    def write(self):
        text = json.dumps({"provider": self.provider, "vectors": self.vectors}, indent=1)
        (OUT / f"{self.provider}.json").write_text(text + "\n")


def respond(status, body=None, kind=None, headers=None):
    answer = {"status": status, "headers": headers or {}}
    if kind == "json":
        answer.update(body=json.dumps(body), body_match="json")
        answer["headers"]["Content-Type"] = "application/json"
    elif body is not None:
        answer.update(body=body, body_match="exact")
    return {"respond": answer}


def family(provider, sign, *, body=BODY, url=URL, secret=SECRET, other=OTHER, window=None, ahead=True, form=False,
           covered=True, unit=1, **material):
    """The vectors that every scheme needs. `sign(secret, body, url, t)` gives the headers."""
    file = File(provider)
    extra = {"Content-Type": FORM} if form else {}
    add = lambda name, expect, headers, **more: file.add(
        name, expect, {**extra, **headers}, **{"body": body, "url": url, "secret": secret, **material, **more}
    )
    good = sign(secret, body, url, NOW)
    add("valid", "accept", good)
    if covered:
        add("tampered-body", "reject", good, body=raw(body) + b" ")
    add("wrong-secret", "reject", sign(other, body, url, NOW))
    for name in good:
        add(f"missing-{name}", "reject", {k: v for k, v in good.items() if k != name})
        add(f"empty-{name}", "reject", {**good, name: ""})
    if window:
        add("window-edge", "accept", sign(secret, body, url, NOW - window + 1))
        add("stale", "reject", sign(secret, body, url, NOW - window - 1))
        add("far-ahead", "reject" if ahead else "accept", sign(secret, body, url, NOW + 10 * window))
    return file


def simple(provider, header, value, **more):
    """A header over the raw body."""
    family(provider, lambda s, b, u, t: {header: value(s, raw(b))}, **more).write()


hexed = lambda digest="sha256", prefix="": lambda s, b: prefix + mac(s, b, digest).hex()
based = lambda digest="sha256", prefix="": lambda s, b: prefix + b64(mac(s, b, digest))


def bodies():
    for provider, header, value in [
        ("bitbucket", "X-Hub-Signature", hexed(prefix="sha256=")),
        ("razorpay", "X-Razorpay-Signature", hexed()),
        ("xero", "x-xero-signature", based()),
        ("acuity", "X-Acuity-Signature", based()),
        ("attio", "Attio-Signature", hexed()),
        ("authorize_net", "X-ANET-Signature", hexed("sha512", "sha512=")),
        ("calcom", "X-Cal-Signature-256", hexed()),
        ("checkout", "Cko-Signature", hexed()),
        ("cursor", "X-Webhook-Signature", hexed(prefix="sha256=")),
        ("dwolla", "X-Request-Signature-SHA-256", hexed()),
        ("fastspring", "X-FS-Signature", based()),
        ("helpscout", "X-HelpScout-Signature", based("sha1")),
        ("modern_treasury", "X-Signature", hexed()),
        ("mollie", "X-Mollie-Signature", hexed(prefix="sha256=")),
        ("savvycal", "X-Savvycal-Signature", hexed(prefix="sha256=")),
        ("segment", "X-Signature", hexed("sha1")),
        ("snyk", "X-Hub-Signature", hexed(prefix="sha256=")),
        ("tally", "Tally-Signature", based()),
        ("vercel_log_drains", "x-vercel-signature", hexed("sha1")),
        ("webex", "X-Spark-Signature", hexed("sha1")),
    ]:
        simple(provider, header, value)
    file = family("circleci", lambda s, b, u, t: {"circleci-signature": "v1=" + mac(s, raw(b)).hex()})
    # As its documentation has it.
    known = "9be2242094a9a8c00c64306f382a7f9d691de910b4a266f67bd314ef18ac49fa"
    file.add("documented", "accept", {"circleci-signature": f"v1={known}"}, body="an-important-request-payload", secret="hunter123")
    file.write()
    file = family("ramp", lambda s, b, u, t: {"X-Ramp-Webhook-Signature": mac(s, raw(b)).hex()})
    for name, secret, expect in [("other-name", SECRET, "accept"), ("other-name-wrong-secret", OTHER, "reject")]:
        file.add(name, expect, {"X-Ramp-Signature": mac(secret, BODY).hex()}, secret=SECRET)
    file.write()
    # The form with a timestamp is among the vectors from elsewhere.
    file = family("pylon", lambda s, b, u, t: {"X-Pylon-Signature": mac(s, raw(b)).hex()})
    of_both = {"X-Pylon-Signature": mac(SECRET, BODY).hex(), "Pylon-Webhook-Signature": "hs256=00", "Pylon-Webhook-Timestamp": str(NOW)}
    file.add("no-way-back", "reject", of_both, secret=SECRET)
    file.write()
    file = family("shopify", lambda s, b, u, t: {"X-Shopify-Hmac-Sha256": b64(mac(s, raw(b)))})
    event = {"Shopify-Hmac-Sha256": b64(mac(SECRET, BODY))}
    file.add("event", "accept", event, secret=SECRET)
    file.add("event-tampered", "reject", event, body=BODY + b" ", secret=SECRET)
    file.add("event-wrong-secret", "reject", {"Shopify-Hmac-Sha256": b64(mac(OTHER, BODY))}, secret=SECRET)
    file.write()
    twice = lambda a, b: {"X-Akeneo-Signature-Primary": mac(a, BODY).hex(), "X-Akeneo-Signature-Secondary": mac(b, BODY).hex(),
                          "X-Akeneo-Signature-Algorithm": "HmacSHA256"}
    file = family("akeneo", lambda s, b, u, t: {"X-Akeneo-Signature-Primary": mac(s, raw(b)).hex()})
    file.add("second-secret", "accept", twice(OTHER, SECRET), secret=SECRET)
    file.add("neither-secret", "reject", twice(OTHER, OTHER), secret=SECRET)
    old = lambda s: {"X-Akeneo-Request-Signature": mac(s, f"{NOW}.".encode() + BODY).hex(), "X-Akeneo-Request-Timestamp": str(NOW)}
    file.add("events-api", "accept", old(SECRET), secret=SECRET)
    file.add("no-way-back", "reject", {**old(SECRET), "X-Akeneo-Signature-Primary": "00"}, secret=SECRET)
    file.write()
    key = b64(b"0123456789abcdef0123456789abcdef")
    other = b64(b"another key, another key, anoth!")
    decoded = lambda s, b: mac(base64.b64decode(s), b)
    simple("airtable", "X-Airtable-Content-MAC", lambda s, b: "hmac-sha256=" + decoded(s, b).hex(), secret=key, other=other)
    simple("teams", "Authorization", lambda s, b: "HMAC " + b64(decoded(s, b)), secret=key, other=other)
    wide = "sécret of ﬁfteen or more"
    simple("easypost", "X-Hmac-Signature",
           lambda s, b: "hmac-sha256-hex=" + mac(unicodedata.normalize("NFKD", s), b).hex(), secret=wide)

    file = family("docusign", lambda s, b, u, t: {"X-DocuSign-Signature-1": b64(mac(s, b))})
    file.add("second-key", "accept", {"X-DocuSign-Signature-1": b64(mac(OTHER, BODY)),
                                      "X-DocuSign-Signature-2": b64(mac(SECRET, BODY))}, secret=SECRET)
    file.write()
    file = family("pagerduty", lambda s, b, u, t: {"X-PagerDuty-Signature": "v1=" + mac(s, b).hex()})
    both = f"v1={mac(OTHER, BODY).hex()},v1={mac(SECRET, BODY).hex()}"
    file.add("rotation", "accept", {"X-PagerDuty-Signature": both}, secret=SECRET)
    file.add("other-version", "reject", {"X-PagerDuty-Signature": "v2=" + mac(SECRET, BODY).hex()}, secret=SECRET)
    file.write()
    file = family("dropbox", lambda s, b, u, t: {"X-Dropbox-Signature": mac(s, b).hex()})
    file.add("challenge", respond(200, "abc<x>", headers={"Content-Type": "text/plain"}), body="", method="GET",
             url=URL + "?challenge=abc%3Cx%3E", secret=SECRET)
    file.write()
    for provider in ["meta"]:
        file = family(provider, lambda s, b, u, t: {"X-Hub-Signature-256": "sha256=" + mac(s, b).hex()},
                      verify_token="token of ours")
        ask = lambda token: URL + "?" + urlencode({"hub.mode": "subscribe", "hub.verify_token": token, "hub.challenge": "1158201444"})
        file.add("challenge", respond(200, "1158201444"), body="", method="GET", url=ask("token of ours"),
                 secret=SECRET, verify_token="token of ours")
        file.add("challenge-other-token", "reject", body="", method="GET", url=ask("guess"), secret=SECRET,
                 verify_token="token of ours")
        file.write()
    file = family("twitter", lambda s, b, u, t: {"x-twitter-webhooks-signature": "sha256=" + b64(mac(s, b))}, api_key=SECRET, secret=SECRET)
    for vector in file.vectors:
        vector["key_material"] = None
    newer = lambda s: {"x-twitter-webhooks-signature-oauth2": "sha256=" + b64(mac(s, BODY))}
    file.add("oauth2", "accept", newer(SECRET), secret=SECRET)
    file.add("both-headers", "accept", {**newer(SECRET), "x-twitter-webhooks-signature": "sha256=" + b64(mac(OTHER, BODY))}, secret=SECRET)
    file.add("oauth2-wrong-secret", "reject", newer(OTHER), secret=SECRET)
    token = "3CpS1wYFRZ_2vPRfXlsGmQ=="
    file.add("crc", respond(200, {"response_token": "sha256=" + b64(mac(SECRET, token.encode()))}, "json"), body="",
             method="GET", url=URL + "?crc_token=" + quote(token), secret=SECRET)
    forged = '{"forged":true}'
    file.add("crc-of-an-event", "reject", body="", method="GET", url=URL + "?crc_token=" + quote(forged), secret=SECRET)
    file.add("crc-answer-as-signature", "reject",
             {"x-twitter-webhooks-signature": "sha256=" + b64(mac(SECRET, token.encode()))}, body=token, secret=SECRET)
    file.write()
    file = family("smartcar", lambda s, b, u, t: {"SC-Signature": mac(s, b).hex()})
    verify = lambda c: json.dumps({"eventType": "VERIFY", "data": {"challenge": c}})
    code = "8a4b2c1e-7d3f-4a5b-9c8d-1e2f3a4b5c6d"
    file.add("verify", respond(200, {"challenge": mac(SECRET, code.encode()).hex()}, "json"), body=verify(code), secret=SECRET)
    file.add("verify-of-an-event", "reject", body=verify(forged), secret=SECRET)
    file.add("verify-answer-as-signature", "reject", {"SC-Signature": mac(SECRET, code.encode()).hex()}, body=code, secret=SECRET)
    file.write()
    file = family("notion", lambda s, b, u, t: {"X-Notion-Signature": "sha256=" + mac(s, b).hex()})
    brought = json.dumps({"verification_token": "secret_of_theirs_0123456789"})
    file.add("learns", respond(200), body=brought)
    file.add("learns-once", "reject", body=brought, secret=SECRET)
    file.write()
    file = File("pandadoc")
    for name, secret, expect in [("valid", SECRET, "accept"), ("wrong-secret", OTHER, "reject")]:
        file.add(name, expect, url=f"{URL}?signature={mac(secret, BODY).hex()}", secret=SECRET)
    file.add("missing", "reject", secret=SECRET)
    file.write()


def timed():
    pairs = lambda header, t, v, unit=1: lambda s, b, u, at: {
        header: f"{t}={at * unit},{v}={mac(s, f'{at * unit}.'.encode() + raw(b)).hex()}"}
    family("mux", pairs("Mux-Signature", "t", "v1"), window=300).write()
    family("workos", lambda s, b, u, t: {
        "WorkOS-Signature": f"t={t * 1000}, v1={mac(s, f'{t * 1000}.'.encode() + raw(b)).hex()}"}, window=180).write()
    family("elevenlabs", pairs("ElevenLabs-Signature", "t", "v0"), window=1800).write()
    family("whereby", pairs("Whereby-Signature", "t", "v1")).write()
    file = family("coinbase_cdp", pairs("X-Hook0-Signature", "t", "v0"), window=300)
    names = "content-type x-event-id"

    def hook0(s, b=BODY, at=NOW, names=names, kind="application/json", more=""):
        given = {"Content-Type": kind, "X-Event-Id": "e-1"}
        values = ".".join(next(v for k, v in given.items() if k.lower() == name) for name in names.split())
        v1 = mac(s, f"{at}.{names}.{values}.".encode() + raw(b)).hex()
        return {**given, "X-Hook0-Signature": f"t={at},{more}h={names},v1={v1}"}

    old = "v0=" + mac(SECRET, f"{NOW}.".encode() + BODY).hex() + ","
    for name, expect, headers in [
        ("v1", "accept", hook0(SECRET)),
        ("both-versions", "accept", hook0(SECRET, more=old)),
        ("v1-without-headers", "accept", hook0(SECRET, names="")),
        ("v1-wrong-secret", "reject", hook0(OTHER)),
        ("v1-wrong-beside-v0", "reject", hook0(OTHER, more=old)),
        ("v1-other-header", "reject", {**hook0(SECRET), "X-Event-Id": "e-2"}),
        ("v1-lost-header", "reject", {k: v for k, v in hook0(SECRET).items() if k != "X-Event-Id"}),
        ("v1-window-edge", "accept", hook0(SECRET, at=NOW - 299)),
        ("v1-stale", "reject", hook0(SECRET, at=NOW - 301)),
        ("v1-far-ahead", "reject", hook0(SECRET, at=NOW + 3000)),
    ]:
        file.add(name, expect, headers, secret=SECRET)
    file.add("v1-tampered-body", "reject", hook0(SECRET), body=BODY + b" ", secret=SECRET)
    file.write()
    family("buildkite", lambda s, b, u, t: {
        "X-Buildkite-Signature": f"timestamp={t},signature={mac(s, f'{t}.'.encode() + raw(b)).hex()}"}).write()
    family("retell", lambda s, b, u, t: {
        "x-retell-signature": f"v={t * 1000},d={mac(s, raw(b) + str(t * 1000).encode()).hex()}"}, window=300).write()
    file = family("persona", pairs("Persona-Signature", "t", "v1"))
    old = pairs("Persona-Signature", "t", "v1")(OTHER, BODY, URL, NOW - 9)["Persona-Signature"]
    new = pairs("Persona-Signature", "t", "v1")(SECRET, BODY, URL, NOW)["Persona-Signature"]
    file.add("rotation", "accept", {"Persona-Signature": f"{old} {new}"}, secret=SECRET)
    file.write()
    family("sanity", lambda s, b, u, t: {
        "sanity-webhook-signature": f"t={t * 1000},v1={b64u(mac(s, f'{t * 1000}.'.encode() + raw(b)))}"}).write()
    file = family("recurly", lambda s, b, u, t: {
        "recurly-signature": f"{t * 1000},{mac(s, f'{t * 1000}.'.encode() + raw(b)).hex()}"})
    rotated = [mac(s, f"{NOW * 1000}.".encode() + BODY).hex() for s in (OTHER, SECRET)]
    file.add("rotation", "accept", {"recurly-signature": f"{NOW * 1000},{rotated[0]},{rotated[1]}"}, secret=SECRET)
    file.write()
    iso = lambda t: datetime.datetime.fromtimestamp(t, datetime.timezone.utc).strftime("%Y-%m-%dT%H:%M:%SZ")
    imf = lambda t: datetime.datetime.fromtimestamp(t, datetime.timezone.utc).strftime("%a, %d %b %Y %H:%M:%S GMT")
    two = lambda sig, at, message, value=lambda m: m.hex(), stamp=str: lambda s, b, u, t: {
        sig: value(mac(s, message(stamp(t).encode(), raw(b)))), at: stamp(t)}
    ms = lambda t: str(t * 1000)
    for provider, sign, more in [
        ("box", lambda s, b, u, t: {**two("BOX-SIGNATURE-PRIMARY", "BOX-DELIVERY-TIMESTAMP", lambda t, b: b + t, b64, iso)(s, b, u, t),
                                    "BOX-SIGNATURE-VERSION": "1", "BOX-SIGNATURE-ALGORITHM": "HmacSHA256"}, {"window": 600}),
        ("chatwoot", two("X-Chatwoot-Signature", "X-Chatwoot-Timestamp", lambda t, b: t + b"." + b, lambda m: "sha256=" + m.hex()), {}),
        ("crisp", two("X-Crisp-Signature", "X-Crisp-Request-Timestamp", lambda t, b: b"[" + t + b";" + b + b"]", stamp=ms), {}),
        ("klaviyo", two("Klaviyo-Signature", "Klaviyo-Timestamp", lambda t, b: b + t, stamp=imf), {}),
        ("revolut", two("Revolut-Signature", "Revolut-Request-Timestamp", lambda t, b: b"v1." + t + b"." + b, lambda m: "v1=" + m.hex(), ms), {"window": 300}),
        ("synctera", two("Synctera-Signature", "Request-Timestamp", lambda t, b: t + b"." + b), {"window": 300}),
        ("webflow", two("x-webflow-signature", "x-webflow-timestamp", lambda t, b: t + b":" + b, stamp=ms), {"window": 300}),
        ("zendesk", two("X-Zendesk-Webhook-Signature", "X-Zendesk-Webhook-Signature-Timestamp", lambda t, b: t + b, b64, iso), {}),
    ]:
        family(provider, sign, **more).write()
    family("affirm", lambda s, b, u, t: {
        "X-Affirm-Signature": f"t={t},v0={mac(s, f'{t}.'.encode() + raw(b), 'sha512').hex()}"}, window=300).write()
    daily = b64(b"0123456789abcdef0123456789abcdef")
    file = family("daily", lambda s, b, u, t: {
        "X-Webhook-Signature": b64(mac(base64.b64decode(s), f"{t}.".encode() + raw(b))), "X-Webhook-Timestamp": str(t)},
        secret=daily, other=b64(b"another key, another key, anoth!"))
    test = json.dumps({"test": "test"})
    file.add("test", respond(200), body=test, secret=daily)
    file.add("test-signed-by-another", "reject", {"X-Webhook-Signature": "AAAA", "X-Webhook-Timestamp": str(NOW)}, body=test, secret=daily)
    file.add("test-and-more", "reject", body=json.dumps({"test": "test", "type": "meeting.started"}), secret=daily)
    file.write()
    file = family("front", lambda s, b, u, t: {
        "X-Front-Signature": b64(mac(s, f"{t * 1000}:".encode() + raw(b))), "X-Front-Request-Timestamp": str(t * 1000)})
    file.add("legacy", "accept", {"X-Front-Signature": b64(mac(SECRET, BODY, "sha1"))}, secret=SECRET)
    file.add("challenge", respond(200, {"challenge": "abc"}, "json"), {"X-Front-Challenge": "abc"}, secret=SECRET)
    file.write()
    file = family("oura", lambda s, b, u, t: {
        "x-oura-signature": mac(s, str(t).encode() + raw(b)).hex().upper(), "x-oura-timestamp": str(t)}, verification_token="of ours")
    for token, expect in [("of ours", respond(200, {"challenge": "abc"}, "json")), ("guess", "reject")]:
        file.add(f"challenge-{token}", expect, body="", method="GET", secret=SECRET, verification_token="of ours",
                 url=URL + "?" + urlencode({"verification_token": token, "challenge": "abc"}))
    file.write()
    linear = lambda t: json.dumps({"action": "create", "webhookTimestamp": t * 1000}).encode()
    file = File("linear")
    for name, at, expect in [("valid", NOW, "accept"), ("edge", NOW - 59, "accept"), ("stale", NOW - 61, "reject"), ("ahead", NOW + 61, "reject")]:
        file.add(name, expect, {"Linear-Signature": mac(SECRET, linear(at)).hex()}, body=linear(at), secret=SECRET)
    file.add("tampered", "reject", {"Linear-Signature": mac(SECRET, linear(NOW)).hex()}, body=linear(NOW - 1), secret=SECRET)
    file.add("no-timestamp", "reject", {"Linear-Signature": mac(SECRET, BODY).hex()}, secret=SECRET)
    file.write()
    signing = "the signing secret of theirs"
    file = family("revenuecat", lambda s, b, u, t: {"Authorization": s}, covered=False)
    value = lambda s: {"X-RevenueCat-Webhook-Signature": f"t={NOW},v1={mac(s, f'{NOW}.'.encode() + BODY).hex()}", "Authorization": SECRET}
    file.add("signed", "accept", value(signing), secret=SECRET, signing_secret=signing)
    file.add("no-way-back", "reject", value(OTHER), secret=SECRET, signing_secret=signing)
    file.write()


def standard():
    raw_key, other_key = b"0123456789abcdef01234567", b"another key of 24 bytes!"
    whsec, other = "whsec_" + b64(raw_key), "whsec_" + b64(other_key)

    def sign(prefix):
        def headers(s, b, u, t):
            key = base64.b64decode(s.removeprefix("whsec_"))
            value = b64(mac(key, f"msg_1.{t}.".encode() + raw(b)))
            return {f"{prefix}-id": "msg_1", f"{prefix}-timestamp": str(t), f"{prefix}-signature": f"v1,{value}"}
        return headers

    for provider in ["openai", "clerk", "resend", "replicate", "render", "brex", "loops", "recall", "claude", "lithic"]:
        prefix = "svix" if provider in ("clerk", "resend") else "webhook"
        family(provider, sign(prefix), secret=whsec, other=other, window=300).write()

    def sign_text(s, b, u, t):
        value = b64(mac(s, f"msg_1.{t}.".encode() + raw(b)))
        return {"webhook-id": "msg_1", "webhook-timestamp": str(t), "webhook-signature": f"v1,{value}"}

    # Polar's SDK encodes the whole text before the library decodes it again.
    secret, other_text = "polar_whs_0123456789abcdef0123456789", "polar_whs_another0123456789abcdef01"
    family("polar", sign_text, secret=secret, other=other_text, window=300).write()

    def sign_a(key, b, u, t):
        value = b64(key.sign(f"msg_1.{t}.".encode() + raw(b)))
        return {"webhook-id": "msg_1", "webhook-timestamp": str(t), "webhook-signature": f"v1a,{value}"}

    file = family("standard_webhooks_v1a", sign_a, secret=ED, other=ED2, window=300)
    for vector in file.vectors:
        vector["secret"], vector["key_material"] = None, {"public_key_base64": b64(bare(ED))}
    file.write()


def composed():
    url_form = lambda fields: "".join(k + v for k, v in sorted(fields))
    fields = [("mandrill_events", '[{"event":"send"}]'), ("a", "x y")]
    body = urlencode(fields)
    file = family("mandrill", lambda s, b, u, t: {"X-Mandrill-Signature": b64(mac(s, (u + url_form(fields)).encode(), "sha1"))},
                  body=body, form=True, covered=False)
    good = {"X-Mandrill-Signature": b64(mac(SECRET, (URL + url_form(fields)).encode(), "sha1")), "Content-Type": FORM}
    file.add("extra-field", "reject", good, body=body + "&b=1", secret=SECRET)
    file.add("other-url", "reject", good, body=body, url=URL + "/other", secret=SECRET)
    file.add("head", respond(200), body="", method="HEAD", secret=SECRET)
    file.write()
    favro = json.dumps({"payloadId": "p-1", "action": "created"}).encode()
    file = family("favro", lambda s, b, u, t: {"X-Favro-Webhook": b64(mac(s, b"p-1" + u.encode(), "sha1"))}, body=favro, covered=False)
    good = {"X-Favro-Webhook": b64(mac(SECRET, b"p-1" + URL.encode(), "sha1"))}
    file.add("other-payload", "reject", good, body=favro.replace(b"p-1", b"p-2"), secret=SECRET)
    file.write()
    simple("linkedin", "X-LI-Signature", lambda s, b: mac(s, b"hmacsha256=" + b).hex())
    text = json.loads((OUT / "linkedin.json").read_text())
    file = File("linkedin")
    file.vectors = text["vectors"]
    code = "890e4665-4dfe-4ab1-b689-ed553bceeed0"
    file.add("challenge", respond(200, {"challengeCode": code, "challengeResponse": mac(SECRET, code.encode()).hex()}, "json"),
             body="", method="GET", url=f"{URL}?challengeCode={code}&applicationId=1", secret=SECRET)
    file.add("challenge-of-an-event", "reject", body="", method="GET",
             url=f"{URL}?challengeCode=" + quote('hmacsha256={"forged":1}'), secret=SECRET)
    file.add("header-prefix-only", "reject", {"X-LI-Signature": "hmacsha256=" + mac(SECRET, BODY).hex()}, secret=SECRET)
    file.write()

    item = lambda key, **more: {"NotificationRequestItem": {**(i := {
        "pspReference": "7914073381342284", "originalReference": "", "merchantAccountCode": "TestMerchant",
        "merchantReference": "TestPayment:1", "amount": {"value": 1130, "currency": "EUR"}, "eventCode": "AUTHORISATION",
        "success": "true"}), "additionalData": {"hmacSignature": b64(mac(bytes.fromhex(key), ":".join([
            i["pspReference"], "", i["merchantAccountCode"], i["merchantReference"], "1130", "EUR", "AUTHORISATION", "true"]).encode()))}, **more}}
    key, wrong = "44782DEF547AAA06C910C43932B1EB0C71FC68D9D0C057550C48EC2ACF6BA056", "00" * 32
    note = lambda *items: json.dumps({"live": "false", "notificationItems": list(items)}).encode()
    file = File("adyen")
    file.add("valid", "accept", body=note(item(key)), secret=key)
    file.add("two-items", "accept", body=note(item(key), item(key)), secret=key)
    file.add("one-unsigned-item", "reject", body=note(item(key), {"NotificationRequestItem": {"eventCode": "X"}}), secret=key)
    file.add("amount-changed", "reject", body=note(item(key, amount={"value": 1, "currency": "EUR"})), secret=key)
    file.add("wrong-key", "reject", body=note(item(wrong)), secret=key)
    file.add("no-items", "reject", body=note(), secret=key)
    file.add("not-json", "reject", body="x", secret=key)
    header = lambda k: {"HmacSignature": b64(mac(bytes.fromhex(k), BODY))}
    file.add("header", "accept", header(key), secret=key)
    file.add("header-wrong-key", "reject", header(wrong), secret=key)
    file.add("key-as-text", "reject", {"HmacSignature": b64(mac(key, BODY))}, secret=key)
    file.write()

    def contentful(s, b, u, t, names=("x-contentful-signed-headers", "x-contentful-timestamp", "x-contentful-topic")):
        given = {"x-contentful-timestamp": str(t * 1000), "x-contentful-topic": "Entry.publish",
                 "x-contentful-signed-headers": ",".join(names)}
        path = u.split("//", 1)[1].split("/", 1)[1]
        path, _, query = ("/" + path).partition("?")
        if query:
            path += "?" + quote(quote(query, safe="-_.!~*'()"), safe=";,/?:@&=+$-_.!~*'()#")
        lines = "\n".join(["POST", path, ";".join(f"{k}:{given[k]}" for k in sorted(names)), ""]).encode() + raw(b)
        return {**given, "x-contentful-signature": mac(s, lines).hex()}

    file = family("contentful", contentful, window=30, ahead=False)
    asked = URL + "?a=1&b=x%20y"
    file.add("query", "accept", contentful(SECRET, BODY, asked, NOW), url=asked, secret=SECRET)
    file.add("query-changed", "reject", contentful(SECRET, BODY, asked, NOW), url=URL + "?a=2", secret=SECRET)
    unsigned = contentful(SECRET, BODY, URL, NOW, names=("x-contentful-topic",))
    file.add("timestamp-not-signed", "reject", unsigned, secret=SECRET)
    file.write()

    decoded = URL + "/a:b?x='y'"
    encoded = URL + "/a%3Ab?x=%27y%27"
    v3 = lambda s, b, u, t: {"X-HubSpot-Signature-v3": b64(mac(s, b"POST" + decoded.encode() + raw(b) + str(t * 1000).encode())),
                             "X-HubSpot-Request-Timestamp": str(t * 1000)}
    file = family("hubspot", v3, url=encoded, window=300)
    sha = lambda *parts: hashlib.sha256(b"".join(raw(p) for p in parts)).hexdigest()
    v1 = {"X-HubSpot-Signature": sha(SECRET, BODY), "X-HubSpot-Signature-Version": "v1"}
    v2 = {"X-HubSpot-Signature": sha(SECRET, "POST", URL, BODY), "X-HubSpot-Signature-Version": "v2"}
    file.add("v1", "accept", v1, secret=SECRET)
    file.add("v2", "accept", v2, secret=SECRET)
    file.add("v2-other-url", "reject", v2, url=URL + "x", secret=SECRET)
    file.add("v1-as-v2", "reject", {**v1, "X-HubSpot-Signature-Version": "v2"}, secret=SECRET)
    file.add("no-way-back", "reject", {**v1, "X-HubSpot-Signature-v3": "AAAA", "X-HubSpot-Request-Timestamp": str(NOW * 1000)}, secret=SECRET)
    file.write()

    pay = {"merchant_id": "m1", "application_key": "k", "timestamp": NOW, "customer": {"customer_token": None},
           "session": {"order_id": "o-7"}, "transaction": {"tid": 13, "currency": "EUR", "amount": "10.00",
           "conversion_rate": "1.0", "processed_currency": "EUR", "processed_amount": "10.00"}}
    sha384 = lambda text: hashlib.sha384(text.encode()).hexdigest()
    joined = f"m1k{NOW}o-713EUR10.001.0EUR10.00"
    file = File("praxis")
    file.add("payment", "accept", {"gt-authentication": sha384(joined + SECRET)}, body=json.dumps(pay), secret=SECRET)
    file.add("amount-changed", "reject", {"gt-authentication": sha384(joined + SECRET)}, body=json.dumps(pay).replace("10.00", "99.00"), secret=SECRET)
    file.add("wrong-secret", "reject", {"gt-authentication": sha384(joined + OTHER)}, body=json.dumps(pay), secret=SECRET)
    sub = {"event": "renewed", "merchant_id": "m1", "application_key": "k", "cid": "c", "plan_id": 3, "subscription_id": 5,
           "subscription_status": "active", "timestamp": NOW}
    file.add("subscription", "accept", {"gt-authentication": sha384(f"renewedm1kc35active{NOW}{SECRET}")}, body=json.dumps(sub), secret=SECRET)
    file.write()

    public = "wh_pk_1"
    solid = lambda s, b, u, t: {"merchant": public, "signature": b64(mac(s, public.encode() + raw(b) + public.encode(), "sha512").hex().encode())}
    file = family("solidgate", solid, public_key=public)
    file.add("other-merchant", "reject", {**solid(SECRET, BODY, URL, NOW), "merchant": "wh_pk_2"}, secret=SECRET, public_key=public)
    file.write()
    family("tiktok_shop", lambda s, b, u, t: {"Authorization": mac(s, b"app" + raw(b)).hex()}, app_key="app").write()

    php = json.dumps({"users": [], "url": "a/b", "name": "é"}, separators=(",", ":")).replace("/", "\\/")
    envelope = lambda s: json.dumps({"webhook": "x", "object_payload": {"users": [], "url": "a/b", "name": "é"},
                                     "object_payload_signature": b64(mac(s, php.encode()))}, ensure_ascii=False)
    file = File("treezor")
    file.add("valid", "accept", body=envelope(SECRET), secret=SECRET)
    file.add("envelope-not-covered", "accept", body=envelope(SECRET).replace('"x"', '"y"'), secret=SECRET)
    file.add("payload-changed", "reject", body=envelope(SECRET).replace("a/b", "a/c"), secret=SECRET)
    file.add("wrong-secret", "reject", body=envelope(OTHER), secret=SECRET)
    file.add("no-signature", "reject", body='{"object_payload":{}}', secret=SECRET)
    file.write()
    sign = lambda s, at=NOW: json.dumps({"event": {"event_time": str(at), "event_type": "sent",
                                                   "event_hash": mac(s, f"{at}sent".encode()).hex()}})
    file = File("dropbox_sign")
    file.add("valid", "accept", body=sign(SECRET), secret=SECRET)
    file.add("tried-for-days", "accept", body=sign(SECRET, NOW - 2 * 86400), secret=SECRET)
    file.add("stale", "reject", body=sign(SECRET, 1348177752), secret=SECRET)
    file.add("wrong-secret", "reject", body=sign(OTHER), secret=SECRET)
    kind = {"Content-Type": "multipart/form-data; boundary=sep"}
    form = lambda s: ('--sep\r\nContent-Disposition: form-data; name="json"\r\n\r\n' + sign(s) + "\r\n--sep--\r\n")
    file.add("form", "accept", body=form(SECRET), headers=kind, secret=SECRET)
    file.add("form-wrong-secret", "reject", body=form(OTHER), headers=kind, secret=SECRET)
    file.write()
    file = family("vapi", lambda s, b, u, t: {"X-Vapi-Signature": mac(s, raw(b)).hex()})
    timed = lambda s, t: {"X-Signature": mac(s, f"{t}.".encode() + BODY).hex(), "X-Timestamp": str(t)}
    for name, expect, headers in [
        ("bearer", "accept", {"Authorization": f"Bearer {SECRET}"}),
        ("bearer-wrong-secret", "reject", {"Authorization": f"Bearer {OTHER}"}),
        ("own-header", "accept", {"X-Vapi-Secret": SECRET}),
        ("own-header-wrong-secret", "reject", {"X-Vapi-Secret": OTHER}),
        ("hmac", "accept", timed(SECRET, NOW)),
        ("hmac-wrong-secret", "reject", timed(OTHER, NOW)),
        ("hmac-stale", "reject", timed(SECRET, NOW - 3601)),
        ("no-way-back", "reject", {**timed(OTHER, NOW), "Authorization": f"Bearer {SECRET}"}),
    ]:
        file.add(name, expect, headers, secret=SECRET)
    file.write()


def shared():
    for provider, header in [
        ("cloudflare_notifications", "cf-webhook-auth"), ("deepgram", "dg-token"), ("google_push", "X-Goog-Channel-Token"),
        ("hugging_face", "X-Webhook-Secret"),
    ]:
        family(provider, lambda s, b, u, t, h=header: {h: s}, covered=False).write()
    file = family("ring_central", lambda s, b, u, t: {"Verification-Token": s}, covered=False)
    file.add("validation", respond(200, headers={"Validation-Token": "abc"}), {"Validation-Token": "abc"}, body="", secret=SECRET)
    file.write()
    basic = lambda p: {"Authorization": "Basic " + b64(f"user:{p}".encode())}
    for provider in ["greendot", "bandwidth"]:
        file = File(provider)
        file.add("valid", "accept", basic(SECRET), username="user", password=SECRET)
        file.add("wrong", "reject", basic(OTHER), username="user", password=SECRET)
        file.add("missing", "reject", username="user", password=SECRET)
        file.write()
    event = {"specversion": "1.0", "id": "1", "source": "/s", "type": "t"}
    bearer = {"Authorization": f"Bearer {SECRET}"}
    file = File("cloudevents")
    structured = {**bearer, "Content-Type": "application/cloudevents+json; charset=utf-8"}
    batched = {**bearer, "Content-Type": "application/cloudevents-batch+json"}
    binary = {**bearer, "Content-Type": "application/json", **{f"ce-{k}": v for k, v in event.items()}}
    file.add("structured", "accept", structured, body=json.dumps(event), secret=SECRET)
    file.add("batched", "accept", batched, body=json.dumps([event, event]), secret=SECRET)
    file.add("binary", "accept", binary, secret=SECRET)
    file.add("query-token", "accept", {k: v for k, v in structured.items() if k != "Authorization"}, body=json.dumps(event),
             url=f"{URL}?access_token={quote(SECRET)}", secret=SECRET)
    file.add("wrong-token", "reject", {**structured, "Authorization": f"Bearer {OTHER}"}, body=json.dumps(event), secret=SECRET)
    file.add("no-token", "reject", {"Content-Type": "application/cloudevents+json"}, body=json.dumps(event), secret=SECRET)
    file.add("no-event", "reject", structured, body='{"id":"1"}', secret=SECRET)
    file.add("batch-with-a-stranger", "reject", batched, body=json.dumps([event, {}]), secret=SECRET)
    file.add("binary-without-type", "reject", {k: v for k, v in binary.items() if k != "ce-type"}, secret=SECRET)
    ask = {"WebHook-Request-Origin": "events.example.com", "WebHook-Request-Rate": "120"}
    granted = {"webhook-allowed-origin": "events.example.com", "webhook-allowed-rate": "120", "allow": "POST"}
    file.add("validation", respond(200, headers=granted), ask, body="", method="OPTIONS", secret=SECRET)
    file.add("validation-other-origin", "reject", ask, body="", method="OPTIONS", secret=SECRET, allowed_origin="a.example")
    file.write()


def asymmetric():
    def with_key(provider, sign, key, other, material, **more):
        file = family(provider, sign, secret=key, other=other, **more)
        for vector in file.vectors:
            vector["secret"], vector["key_material"] = None, material
        return file

    ping = lambda number: json.dumps({"type": number}).encode()
    sign = lambda k, b, u, t: {"X-Signature-Ed25519": k.sign(str(t).encode() + raw(b)).hex(), "X-Signature-Timestamp": str(t)}
    file = with_key("discord", sign, ED, ED2, {"public_key": bare(ED).hex()}, body=b'{"type":2}')
    file.add("ping", respond(200, {"type": 1}, "json"), sign(ED, ping(1), URL, NOW), body=ping(1), public_key=bare(ED).hex())
    file.add("ping-unsigned", "reject", body=ping(1), public_key=bare(ED).hex())
    file.add("event-ping", respond(204), sign(ED, ping(0), URL, NOW), body=ping(0), public_key=bare(ED).hex())
    file.write()
    with_key("tokenio", lambda k, b, u, t: {"token-signature": b64u(k.sign(raw(b)))}, ED, ED2, {"public_key": b64u(bare(ED))}).write()
    for provider, header in [("wise", "X-Signature-SHA256"), ("freshchat", "X-Freshchat-Signature")]:
        with_key(provider, lambda k, b, u, t, h=header: {h: b64(rsa_sign(k, raw(b)))}, RSA, RSA2, {"public_key": spki(RSA)}).write()

    kid = "0b6f2d3e-1c4a-4b5d-8e6f-7a8b9c0d1e2f"
    documents = {f"https://api.circle.com/v2/notifications/publicKey/{kid}": json.dumps({"data": {"id": kid, "publicKey": spki(EC, "der")}})}
    file = with_key("circle", lambda k, b, u, t: {"X-Circle-Signature": b64(ec_sign(k, raw(b))), "X-Circle-Key-Id": kid}, EC, EC2,
                    {"api_key": "the API key of ours"})
    file.add("key-id-with-a-path", "reject", {"X-Circle-Signature": b64(ec_sign(EC, BODY)), "X-Circle-Key-Id": "../../evil"}, api_key="k")
    file.add("head", respond(200), body="", method="HEAD", api_key="k")
    file.documents = documents
    finish(file)

    url = "https://api.paypal.com/v1/notifications/certs/CERT-1"
    crc = lambda b: zlib.crc32(raw(b))
    def paypal(k, b, u, t, webhook="WH-1"):
        text = f"id-1|2023-11-14T22:13:20Z|{webhook}|{crc(b)}".encode()
        return {"Paypal-Transmission-Id": "id-1", "Paypal-Transmission-Time": "2023-11-14T22:13:20Z", "Paypal-Cert-Url": url,
                "Paypal-Auth-Algo": "SHA256withRSA", "Paypal-Transmission-Sig": b64(rsa_sign(k, text))}
    file = with_key("paypal", paypal, RSA, RSA2, {"webhook_id": "WH-1"})
    good = paypal(RSA, BODY, URL, NOW)
    file.add("other-webhook", "reject", paypal(RSA, BODY, URL, NOW, "WH-2"), webhook_id="WH-1")
    for name, evil in [("http", url.replace("https", "http")), ("look-alike", "https://api.paypal.com.evil.example/c"),
                       ("userinfo", "https://api.paypal.com@evil.example/c"), ("suffix", "https://evilpaypal.com/c")]:
        file.add(f"cert-url-{name}", "reject", {**good, "Paypal-Cert-Url": evil}, webhook_id="WH-1")
    file.add("other-algorithm", "reject", {**good, "Paypal-Auth-Algo": "SHA1withRSA"}, webhook_id="WH-1")
    file.add("certificate-expired", "reject", good, webhook_id="WH-1", now=NOW + 20 * 365 * 86400)
    file.documents = {url: certificate(RSA)}
    finish(file)

    numbers = RSA.public_key().public_numbers()
    uint = lambda n: b64u(n.to_bytes((n.bit_length() + 7) // 8, "big"))
    jwk = {"kty": "RSA", "kid": "k1", "n": uint(numbers.n), "e": uint(numbers.e)}
    jwks = json.dumps({"keys": [{"kty": "RSA", "kid": "k0", "n": "AQ", "e": "AQAB"}, jwk]})
    iso = lambda t: datetime.datetime.fromtimestamp(t, datetime.timezone.utc).strftime("%Y-%m-%dT%H:%M:%SZ")
    ship = lambda k, b, u, t: {"x-shipengine-rsa-sha256-signature": b64(rsa_sign(k, iso(t).encode() + b"." + raw(b))),
                               "x-shipengine-timestamp": iso(t), "x-shipengine-rsa-sha256-key-id": "k1"}
    file = with_key("shipstation", ship, RSA, RSA2, {"token": SECRET}, window=300)
    v1 = json.dumps({"resource_url": "https://ssapi6.shipstation.com/orders?x=1", "resource_type": "ORDER_NOTIFY"})
    file.add("v1", "accept", body=v1, url=f"{URL}?token={quote(SECRET)}", token=SECRET)
    file.add("v1-wrong-token", "reject", body=v1, url=f"{URL}?token=x", token=SECRET)
    file.add("v1-other-host", "reject", body=v1.replace("shipstation.com", "evil.example"), url=f"{URL}?token={quote(SECRET)}", token=SECRET)
    file.documents = {"https://api.shipengine.com/jwks": jwks}
    finish(file)

    file = File("fireblocks")
    detached = lambda k, b, alg="RS512": (lambda t: f"{t[0]}..{t[2]}")(jws(None, k, alg, {"kid": "k1"}, raw(b)).split("."))
    header = lambda k, b: {"Fireblocks-Webhook-Signature": detached(k, b)}
    file.add("valid", "accept", header(RSA, BODY), environment="US_PRODUCTION")
    file.add("sandbox", "accept", header(RSA, BODY), environment="SANDBOX")
    file.add("tampered", "reject", header(RSA, BODY), body=BODY + b" ", environment="US_PRODUCTION")
    file.add("wrong-key", "reject", header(RSA2, BODY), environment="US_PRODUCTION")
    file.add("other-algorithm", "reject", {"Fireblocks-Webhook-Signature": detached(RSA, BODY, "RS256")}, environment="US_PRODUCTION")
    file.add("first-version-wrong-key", "reject", {"Fireblocks-Signature": b64(rsa_sign(RSA, BODY, hashes.SHA512()))}, environment="US_PRODUCTION")
    file.add("missing", "reject", environment="US_PRODUCTION")
    file.documents = {f"https://{h}.fireblocks.io/.well-known/jwks.json": jwks for h in ("keys", "sandbox-keys")}
    finish(file)

    ebay_doc = json.dumps({"key": spki(EC).replace("\n", ""), "algorithm": "ECDSA", "digest": "SHA1"})
    ebay = lambda k, b, key_id=kid: {"X-EBAY-SIGNATURE": b64(json.dumps({
        "alg": "ecdsa", "kid": key_id, "signature": b64(ec_sign(k, raw(b), hashes.SHA1())), "digest": "SHA1"}).encode())}
    material = dict(environment="PRODUCTION", dev_id="d", client_id="c", client_secret=SECRET, verification_token="token-of-ours-0123456789-0123456789")
    file = File("ebay")
    file.add("valid", "accept", ebay(EC, BODY), **material)
    file.add("tampered", "reject", ebay(EC, BODY), body=BODY + b" ", **material)
    file.add("wrong-key", "reject", ebay(EC2, BODY), **material)
    file.add("key-id-with-a-path", "reject", ebay(EC, BODY, "../../../evil"), **material)
    file.add("garbage", "reject", {"X-EBAY-SIGNATURE": "e30="}, **material)
    code = "a8628072-3d33-45ee-9004-bee86830a22d"
    digest = hashlib.sha256((code + material["verification_token"] + URL).encode()).hexdigest()
    file.add("challenge", respond(200, {"challengeResponse": digest}, "json"), body="", method="GET", url=f"{URL}?challenge_code={code}", **material)
    file.documents = {f"https://api.ebay.com/commerce/notification/v1/public_key/{kid}": ebay_doc}
    finish(file)

    event = json.dumps({"event": {}, "recipient_client_id": "client-1"}).encode()
    adobe = lambda k1, k2, b: {"x-adobe-digital-signature-1": b64(rsa_sign(k1, b)), "x-adobe-public-key1-path": "/prod/keys/pub-key-1.pem",
                               "x-adobe-digital-signature-2": b64(rsa_sign(k2, b)), "x-adobe-public-key2-path": "/prod/keys/pub-key-2.pem"}
    file = File("adobe")
    file.add("valid", "accept", adobe(RSA, RSA2, event), body=event, client_id="client-1")
    file.add("second-only", "accept", adobe(RSA2, RSA2, event), body=event, client_id="client-1")
    file.add("both-wrong", "reject", adobe(RSA2, RSA, event), body=event, client_id="client-1")
    file.add("tampered", "reject", adobe(RSA, RSA2, event), body=event + b" ", client_id="client-1")
    file.add("other-recipient", "reject", adobe(RSA, RSA2, event), body=event, client_id="client-2")
    evil = {**adobe(RSA, RSA2, event), "x-adobe-public-key1-path": "//evil.example/k.pem", "x-adobe-public-key2-path": "/../k.pem"}
    file.add("path-leads-away", "reject", evil, body=event, client_id="client-1")
    file.add("challenge", respond(200, {"challenge": "abc"}, "json"), body="", method="GET", url=URL + "?challenge=abc", client_id="client-1")
    file.documents = {f"https://static.adobeioevents.com/prod/keys/pub-key-{n}.pem": spki(k) for n, k in ((1, RSA), (2, RSA2))}
    finish(file)

    ec_numbers = EC.public_key().public_numbers()
    plaid_jwk = {"kty": "EC", "crv": "P-256", "kid": kid, "x": b64u(ec_numbers.x.to_bytes(32, "big")), "y": b64u(ec_numbers.y.to_bytes(32, "big")), "expired_at": None}
    sha = lambda b: hashlib.sha256(raw(b)).hexdigest()
    plaid = lambda k, b, u, t: {"Plaid-Verification": jws({"iat": t, "request_body_sha256": sha(b)}, k, "ES256", {"kid": kid})}
    file = with_key("plaid", plaid, EC, EC2, {"client_id": "c", "secret": SECRET}, window=300)
    hs = jws({"iat": NOW, "request_body_sha256": sha(BODY)}, SECRET, "HS256", {"kid": kid})
    file.add("other-algorithm", "reject", {"Plaid-Verification": hs}, client_id="c", secret_key=None, secret=SECRET)
    file.documents = {"https://production.plaid.com/webhook_verification_key/get": json.dumps({"key": plaid_jwk})}
    finish(file)


def finish(file):
    for vector in file.vectors:
        vector["key_material"] = {**(vector["key_material"] or {}), "documents": file.documents}
    file.write()


def tokens():
    sha = lambda b: hashlib.sha256(raw(b)).digest()
    for provider, header, claims, prefix in [
        ("fusionauth", "X-FusionAuth-Signature-JWT", lambda b: {"request_body_sha256": b64(sha(b))}, ""),
        ("livekit", "Authorization", lambda b: {"sha256": b64(sha(b)), "exp": NOW + 60}, ""),
        ("vonage", "Authorization", lambda b: {"payload_hash": sha(b).hex(), "iat": NOW}, "Bearer "),
        ("netlify", "X-Webhook-Signature", lambda b: {"iss": "netlify", "sha256": sha(b).hex()}, ""),
    ]:
        file = family(provider, lambda s, b, u, t: {header: prefix + jws(claims(b), s)})
        file.add("alg-none", "reject", {header: prefix + jws(claims(BODY), SECRET, "none")}, secret=SECRET)
        file.add("expired", "reject", {header: prefix + jws({**claims(BODY), "exp": NOW - 60}, SECRET)}, secret=SECRET)
        if provider == "fusionauth":
            signed = lambda key, alg, body=BODY: {header: jws(claims(body), key, alg, {"kid": "k1"})}
            for kind, key, other, alg in [("RSA", RSA, RSA2, "RS256"), ("EC", EC, EC2, "ES256"), ("OKP", ED, ED2, "EdDSA")]:
                public = {"secret": spki(key), "key_type": kind}
                file.add(f"{alg}", "accept", signed(key, alg), **public)
                file.add(f"{alg}-wrong-key", "reject", signed(other, alg), **public)
                file.add(f"{alg}-tampered-body", "reject", signed(key, alg), body=BODY + b" ", **public)
                file.add(f"{alg}-public-key-as-secret", "reject", signed(spki(key), "HS256"), **public)
            file.add("other-kind", "reject", signed(RSA, "RS256"), secret=SECRET)
        file.write()
    bird = lambda s, b, u, t, **more: {"MessageBird-Signature-JWT": jws({
        "iss": "MessageBird", "nbf": t, "exp": t + 60, "jti": "j-1", "url_hash": sha(u).hex(), "payload_hash": sha(b).hex(), **more}, s)}
    file = family("messagebird", bird)
    file.add("other-url", "reject", bird(SECRET, BODY, URL + "x", NOW), secret=SECRET)
    file.add("expired", "reject", bird(SECRET, BODY, URL, NOW - 70), secret=SECRET)
    file.add("not-yet", "reject", bird(SECRET, BODY, URL, NOW + 10), secret=SECRET)
    file.add("other-issuer", "reject", bird(SECRET, BODY, URL, NOW, iss="x"), secret=SECRET)
    file.add("empty-jti", "reject", bird(SECRET, BODY, URL, NOW, jti=""), secret=SECRET)
    file.write()
    gong = File("gong")
    claims = {"webhook_url": URL, "body_sha256": sha(BODY).hex(), "exp": NOW + 60}
    gong.add("valid", "accept", {"Authorization": jws(claims, RSA, "RS256")}, public_key=spki(RSA))
    gong.add("tampered", "reject", {"Authorization": jws(claims, RSA, "RS256")}, body=BODY + b" ", public_key=spki(RSA))
    gong.add("wrong-key", "reject", {"Authorization": jws(claims, RSA2, "RS256")}, public_key=spki(RSA))
    gong.write()
    wix = File("wix")
    event = {"data": json.dumps({"eventType": "x"}), "iat": NOW, "exp": NOW + 60}
    wix.add("valid", "accept", body=jws(event, RSA, "RS256"), secret=spki(RSA))
    wix.add("wrong-key", "reject", body=jws(event, RSA2, "RS256"), secret=spki(RSA))
    wix.add("public-key-as-secret", "reject", body=jws(event, spki(RSA), "HS256"), secret=spki(RSA))
    wix.add("expired", "reject", body=jws({**event, "exp": NOW - 9}, RSA, "RS256"), secret=spki(RSA))
    wix.add("not-a-token", "reject", secret=spki(RSA))
    wix.write()
    jwt = File("jwt")
    bearer = lambda token: {"Authorization": f"Bearer {token}"}
    claims = {"iss": "them", "aud": ["us"], "exp": NOW + 60}
    expected = {"issuer": "them", "audience": "us"}
    jwt.add("hs256", "accept", bearer(jws(claims, SECRET)), secret=SECRET, algorithm="HS256", **expected)
    jwt.add("hs512", "accept", bearer(jws(claims, SECRET, "HS512")), secret=SECRET, algorithm="HS512")
    jwt.add("rs256", "accept", bearer(jws(claims, RSA, "RS256")), secret=spki(RSA), algorithm="RS256")
    jwt.add("es256", "accept", bearer(jws(claims, EC, "ES256")), secret=spki(EC), algorithm="ES256")
    jwt.add("eddsa", "accept", bearer(jws(claims, ED, "EdDSA")), secret=spki(ED), algorithm="EdDSA")
    numbers = RSA.public_key().public_numbers()
    uint = lambda n: b64u(n.to_bytes((n.bit_length() + 7) // 8, "big"))
    at = "https://keys.example.com/jwks"
    served = {at: json.dumps({"keys": [{"kty": "RSA", "kid": "k1", "n": uint(numbers.n), "e": uint(numbers.e)}]})}
    jwt.add("jwks", "accept", bearer(jws(claims, RSA, "RS256", {"kid": "k1"})), algorithm="RS256", jwks_url=at, documents=served)
    jwt.add("jwks-other-key", "reject", bearer(jws(claims, RSA, "RS256", {"kid": "k2"})), algorithm="RS256", jwks_url=at, documents=served)
    for name, token, more in [
        ("wrong-secret", jws(claims, OTHER), {}), ("alg-none", jws(claims, SECRET, "none"), {}),
        ("other-algorithm", jws(claims, SECRET, "HS512"), {}), ("expired", jws({**claims, "exp": NOW - 31}, SECRET), {}),
        ("not-yet", jws({**claims, "nbf": NOW + 31}, SECRET), {}), ("other-issuer", jws({**claims, "iss": "x"}, SECRET), expected),
        ("other-audience", jws({**claims, "aud": "x"}, SECRET), expected), ("critical", jws(claims, SECRET, head={"crit": ["x"]}), {}),
        ("two-parts", "a.b", {}),
    ]:
        jwt.add(name, "reject", bearer(token), secret=SECRET, algorithm="HS256", **more)
    jwt.add("public-key-as-secret", "reject", bearer(jws(claims, spki(RSA))), secret=spki(RSA), algorithm="RS256")
    jwt.write()


if __name__ == "__main__":
    OUT.mkdir(exist_ok=True)
    for make in (bodies, timed, standard, composed, shared, asymmetric, tokens):
        make()
