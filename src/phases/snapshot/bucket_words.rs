//! What a bucket refused to a cluster, from the words that the cluster passes on, and how that is mended. Pure.

/// Words, any of which tells the case, with how it is mended.
const CASES: &[(&[&str], &str)] = &[
    (
        &["RequestTimeTooSkewed"],
        "set the clocks of the nodes by a time server: S3 refuses what is signed 15 minutes from its own time",
    ),
    (
        &[
            "PermanentRedirect",
            "AuthorizationHeaderMalformed",
            "IllegalLocationConstraint",
            "is wrong; expecting",
            "must be addressed using the specified endpoint",
        ],
        "the bucket is in another region: give `region:` of the store in the plan, or `s3.client.default.region` of the nodes",
    ),
    (
        &[
            "NoSuchBucket",
            "bucket does not exist",
            "bucket doesn't exist",
        ],
        "check the bucket's name and `endpoint:` of the store in the plan; a cluster never makes a bucket",
    ),
    (
        &[
            "InvalidAccessKeyId",
            "SignatureDoesNotMatch",
            "ExpiredToken",
            "InvalidToken",
            "Unable to load",
            "Unable to find credentials",
            "no AWS credentials",
        ],
        "give the nodes credentials that the bucket's server knows: their role, or `s3.client.default.access_key` and \
         `secret_key` in the keystore of every node (then reload the secure settings, or restart)",
    ),
    (
        &[
            "AccessDenied",
            "Access Denied",
            "AllAccessDisabled",
            "Status Code: 403",
        ],
        "let the identity of the nodes do s3:ListBucket, s3:GetBucketLocation and s3:ListBucketMultipartUploads on the bucket and \
         s3:PutObject, s3:GetObject, s3:DeleteObject and s3:AbortMultipartUpload below the prefix, by its own policy and by that of \
         the bucket: a bucket of another account needs both",
    ),
];

/// Where nothing in the words tells.
const ANY: &str = "give the nodes credentials that may write there: their role, or `s3.client.default.access_key` and \
                   `secret_key` in the keystore of every node";

/// How to mend it.
pub(super) fn help(reason: &str) -> &'static str {
    let tells = |words: &&&str| reason.contains(**words);
    CASES
        .iter()
        .find(|(words, _)| words.iter().any(|word| tells(&word)))
        .map_or(ANY, |(_, help)| help)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_a_bucket_refuses_is_told_by_what_mends_it() {
        for (reason, word) in [
            (
                "[mig-x] path [base] is not accessible on master node: Unable to upload object: The bucket you are attempting to \
                 access must be addressed using the specified endpoint. (Status Code: 301; Error Code: PermanentRedirect)",
                "`region:`",
            ),
            (
                "the region 'us-east-1' is wrong; expecting 'eu-west-1' (Status Code: 400; Error Code: AuthorizationHeaderMalformed)",
                "`region:`",
            ),
            (
                "Access Denied (Service: Amazon S3; Status Code: 403; Error Code: AccessDenied)",
                "another account",
            ),
            ("(Status Code: 404; Error Code: NoSuchBucket)", "name"),
            (
                "(Status Code: 403; Error Code: InvalidAccessKeyId)",
                "keystore",
            ),
            (
                "(Status Code: 403; Error Code: RequestTimeTooSkewed)",
                "clocks",
            ),
            ("store location [base] is not shared", "credentials"),
        ] {
            assert!(help(reason).contains(word), "{reason}: {}", help(reason));
        }
    }
}
