"""Verifies a token with a set of public keys, both from standard input, with python3-jwt. Prints what it checked."""

import json
import sys

import jwt

given = json.load(sys.stdin)
kid = jwt.get_unverified_header(given["token"])["kid"]
[key] = [key for key in jwt.PyJWKSet.from_dict(given["jwks"]).keys if key.key_id == kid]
expected = {
    "algorithms": ["ES256"],
    "issuer": given["issuer"],
    "audience": given["audience"],
    "options": {"require": ["iss", "aud", "exp", "iat", "sub", "jti"]},
}

claims = jwt.decode(given["token"], key.key, **expected)
assert claims["sub"] == given["sub"], "the token belongs to another user"

head, _, signature = given["token"].split(".")
forged = f"{head}.{jwt.encode({**claims, 'roles': ['admin']}, 'x' * 32).split('.')[1]}.{signature}"
try:
    jwt.decode(forged, key.key, **expected)
    sys.exit("a forged token was accepted")
except jwt.InvalidSignatureError:
    pass

print(f"python3-jwt {jwt.__version__} verified a token (ES256, kid {kid}), and rejected a forged one")
