"""Rules about delivery: a private bucket, a distribution over processed/, and what its cache may hold."""

from __future__ import annotations

from typing import Any

from tests.template.expanded import Rule, Template, Weakening, change, drop, of_type, place, properties, put, statements

CONFIG = "Distribution.Properties.DistributionConfig"
BEHAVIOR = f"{CONFIG}.DefaultCacheBehavior"
KEY = "RenditionCachePolicy.Properties.CachePolicyConfig.ParametersInCacheKeyAndForwardedToOrigin"
HEADERS = "RenditionHeadersPolicy.Properties.ResponseHeadersPolicyConfig"
ACCESS = "OutputAccess.Properties.OriginAccessControlConfig"


def _config(template: Template) -> dict[str, Any]:
    config: dict[str, Any] = properties(template, "Distribution")["DistributionConfig"]
    return config


def distributions_read_renditions_only(template: Template) -> bool:
    """Ours and the user's own, each named, and of the bucket only what is published."""
    (statement,) = (each for each in statements(template, "OutputBucketPolicy") if each["Effect"] == "Allow")
    ours = {"Fn::Sub": "arn:${AWS::Partition}:cloudfront::${AWS::AccountId}:distribution/${Distribution}"}
    return (statement["Principal"], statement["Action"], place(statement["Resource"]), statement["Condition"]) == (
        {"Service": "cloudfront.amazonaws.com"},
        "s3:GetObject",
        "OutputBucket/processed/*",
        {"ArnEquals": {"aws:SourceArn": [ours, {"Ref": "DistributionArn"}]}},
    )


def the_distribution_signs_its_requests(template: Template) -> bool:
    access = properties(template, "OutputAccess")["OriginAccessControlConfig"]
    (origin,) = _config(template)["Origins"]
    return (
        (access["SigningBehavior"], access["SigningProtocol"], access["OriginAccessControlOriginType"])
        == ("always", "sigv4", "s3")
        and origin["OriginAccessControlId"] == {"Ref": "OutputAccess"}
        and origin["S3OriginConfig"] == {"OriginAccessIdentity": ""}
    )


def readers_use_https(template: Template) -> bool:
    config = _config(template)
    certificate = config["ViewerCertificate"]
    return (
        config["DefaultCacheBehavior"]["ViewerProtocolPolicy"] == "redirect-to-https"
        and certificate["MinimumProtocolVersion"] == "TLSv1.2_2021"
        and certificate["AcmCertificateArn"] == {"Ref": "CertificateArn"}
    )


def readers_only_read(template: Template) -> bool:
    return bool(_config(template)["DefaultCacheBehavior"]["AllowedMethods"] == ["GET", "HEAD"])


def the_cache_key_is_path_and_version(template: Template) -> bool:
    """Nothing that a stranger can vary makes the cache fetch or hold a second copy."""
    key = properties(template, "RenditionCachePolicy")["CachePolicyConfig"]["ParametersInCacheKeyAndForwardedToOrigin"]
    return bool(
        key
        == {
            "QueryStringsConfig": {"QueryStringBehavior": "whitelist", "QueryStrings": ["v"]},
            "HeadersConfig": {"HeaderBehavior": "none"},
            "CookiesConfig": {"CookieBehavior": "none"},
            "EnableAcceptEncodingGzip": False,
            "EnableAcceptEncodingBrotli": False,
        }
    )


def edges_keep_only_what_s3_lets_them(template: Template) -> bool:
    """A manifest is asked for each time: without a Cache-Control that says otherwise, nothing is kept."""
    policy = properties(template, "RenditionCachePolicy")["CachePolicyConfig"]
    return (policy["MinTTL"], policy["DefaultTTL"], policy["MaxTTL"]) == (0, 0, 86400)


def s3_is_told_how_long(template: Template) -> bool:
    """By what ViewerRequest adds to the query, which is no part of the cache's key."""
    policy = properties(template, "RenditionRequestPolicy")["OriginRequestPolicyConfig"]
    return bool(policy["QueryStringsConfig"]["QueryStrings"] == ["response-cache-control"]) and all(
        policy[part] == {word: "none"}
        for part, word in (("HeadersConfig", "HeaderBehavior"), ("CookiesConfig", "CookieBehavior"))
    )


def both_functions_are_called(template: Template) -> bool:
    called = {
        each["EventType"]: each["FunctionARN"]["Fn::GetAtt"]
        for each in _config(template)["DefaultCacheBehavior"]["FunctionAssociations"]
    }
    return called == {
        "viewer-request": ["ViewerRequest", "FunctionMetadata.FunctionARN"],
        "viewer-response": ["ViewerResponse", "FunctionMetadata.FunctionARN"],
    } and all(each["AutoPublish"] is True for each in of_type(template, "CloudFront::Function").values())


def answers_carry_security_headers(template: Template) -> bool:
    policy = properties(template, "RenditionHeadersPolicy")["ResponseHeadersPolicyConfig"]
    security = policy.get("SecurityHeadersConfig", {})
    return security.keys() >= {"ContentTypeOptions", "StrictTransportSecurity", "ContentSecurityPolicy"} and all(
        each["Override"] is True for each in security.values()
    )


def scripts_of_named_pages_may_read(template: Template) -> bool:
    policy = properties(template, "RenditionHeadersPolicy")["ResponseHeadersPolicyConfig"]
    cors = policy.get("CorsConfig", {})
    return cors.get("AccessControlAllowOrigins") == {"Items": {"Fn::Split": [",", {"Ref": "CorsOrigins"}]}} and (
        cors.get("AccessControlAllowCredentials") is False
    )


def the_network_is_modern(template: Template) -> bool:
    return (_config(template)["HttpVersion"], _config(template)["IPV6Enabled"]) == ("http2and3", True)


def manifests_know_the_distribution(template: Template) -> bool:
    functions = of_type(template, "Lambda::Function").values()
    found = [each["Environment"]["Variables"].get("PUBLIC_BASE_URL") for each in functions]
    return [each for each in found if each is not None] == [{"Fn::Sub": "https://${DomainName}"}] * 2


RULES: list[tuple[Rule, list[Weakening]]] = [
    (
        distributions_read_renditions_only,
        [
            change("OutputBucketPolicy", "DistributionsRead", Condition={}),
            change("OutputBucketPolicy", "DistributionsRead", Principal="*"),
            change("OutputBucketPolicy", "DistributionsRead", Action="s3:*"),
            change("OutputBucketPolicy", "DistributionsRead", Resource={"Fn::Sub": "${OutputBucket.Arn}/*"}),
        ],
    ),
    (
        the_distribution_signs_its_requests,
        [put(f"{ACCESS}.SigningBehavior", "never"), put(f"{CONFIG}.Origins.0.OriginAccessControlId", "")],
    ),
    (
        readers_use_https,
        [
            put(f"{BEHAVIOR}.ViewerProtocolPolicy", "allow-all"),
            put(f"{CONFIG}.ViewerCertificate.MinimumProtocolVersion", "TLSv1"),
        ],
    ),
    (
        readers_only_read,
        [put(f"{BEHAVIOR}.AllowedMethods", ["GET", "HEAD", "OPTIONS", "PUT", "PATCH", "POST", "DELETE"])],
    ),
    (
        the_cache_key_is_path_and_version,
        [
            put(f"{KEY}.QueryStringsConfig", {"QueryStringBehavior": "all"}),
            put(f"{KEY}.HeadersConfig", {"HeaderBehavior": "whitelist", "Headers": ["Accept"]}),
            put(f"{KEY}.EnableAcceptEncodingGzip", True),
        ],
    ),
    (edges_keep_only_what_s3_lets_them, [put("RenditionCachePolicy.Properties.CachePolicyConfig.MinTTL", 60)]),
    (
        s3_is_told_how_long,
        [put("RenditionRequestPolicy.Properties.OriginRequestPolicyConfig.QueryStringsConfig.QueryStrings", ["v"])],
    ),
    (
        both_functions_are_called,
        [drop(f"{BEHAVIOR}.FunctionAssociations.1"), put("ViewerRequest.Properties.AutoPublish", False)],
    ),
    (answers_carry_security_headers, [put(f"{HEADERS}.SecurityHeadersConfig.ContentTypeOptions.Override", False)]),
    (scripts_of_named_pages_may_read, [put(f"{HEADERS}.CorsConfig.AccessControlAllowOrigins", {"Items": ["*"]})]),
    (the_network_is_modern, [put(f"{CONFIG}.HttpVersion", "http1.1")]),
    (manifests_know_the_distribution, [put("OptimizeFunction.Properties.Environment.Variables.PUBLIC_BASE_URL", "")]),
]
