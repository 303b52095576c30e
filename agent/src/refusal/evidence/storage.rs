//! What storages behind a registry say: S3 and what is like it, Azure Blob, Google Cloud Storage.

use super::{Party, Rule};
use crate::cause::{Cause, Owner};

const BY_STORAGE: Rule = Rule { by: &[Party::Storage], codes: &[], ..Rule::of(Cause::StorageRefused) };

const TOKEN_ALONG: &str = "The storage refuses the request because the registry's login came along with the redirect.";
pub const TOKEN_ALONG_FIX: &str = "Give the storage a host name that is neither the registry's nor below it: on such a redirect \
    containerd sends the login along. Or switch the redirect off (`storage.redirect.disable` in \
    `/etc/distribution/config.yml`, `disableredirect` in Harbor).";

pub(super) const RULES: &[Rule] = &[
    // A signed link and a login are two ways to authenticate; S3, MinIO, Ceph and Azure take one.
    Rule {
        codes: &[400, 401, 403],
        says: &[
            "multiple authentication types",
            "only one auth mechanism",
            "unsupported authorization type",
            "authorization header + invalid",
            "authentication information is not given in the correct format",
            "invalidauthenticationinfo",
        ],
        summary: TOKEN_ALONG,
        fix: TOKEN_ALONG_FIX,
        ..BY_STORAGE
    },
    Rule {
        codes: &[400, 401, 403],
        says: &[
            "request has expired",
            "expiredtoken",
            "token has expired",
            "token is expired",
            "requesttimetooskewed",
            "request time + too large",
            "signature not valid in the specified time frame",
            "signed expiry time",
            "expired",
        ],
        summary: "The storage says that the signed link which the registry gave is past its time.",
        fix: "Compare the clocks of the registry and of the storage (`chronyc tracking` on each). If a cache or proxy hands out old \
              redirects, let it not; if links live only seconds, let them live longer (`storage` in \
              `/etc/distribution/config.yml`).",
        ..BY_STORAGE
    },
    Rule {
        codes: &[400, 401, 403],
        says: &[
            "no vpc endpoint policy allows",
            "vpc endpoint policy",
            "authorizationfailure",
            "publicaccessnotpermitted",
            "not authorized to perform this operation",
            "authorizationsourceipmismatch",
            "vpcservicecontrols*",
            "prohibited by organization's policy",
        ],
        owner: Some(Owner::Network),
        summary: "The storage refuses because of where the request comes from: a firewall or the policy of a private endpoint.",
        fix: "Look at the rules that this network has for the storage: in AWS the policy of the VPC's S3 endpoint (`aws ec2 \
              describe-vpc-endpoints`), in Azure the network rules of the storage account, at Google the service perimeter. The \
              registry's bucket has to be allowed there.",
        ..BY_STORAGE
    },
    Rule {
        codes: &[400, 401, 403],
        says: &[
            "signaturedoesnotmatch",
            "signature + does not match",
            "invalidaccesskeyid",
            "authorizationheadermalformed",
            "authenticationfailed",
            "invalidsignature",
            "invalidtoken",
            "xamzcontentsha256mismatch",
            "missingkey",
        ],
        summary: "The storage does not accept the signature of the link that the registry gave.",
        fix: "Have the owner of the registry compare its storage key, region and endpoint (`storage` in \
              `/etc/distribution/config.yml`). If a proxy stands before the storage, let it pass `Host` and the query on unchanged: \
              both are signed.",
        ..BY_STORAGE
    },
    Rule {
        codes: &[402, 403],
        says: &[
            "accountisdisabled",
            "allaccessdisabled",
            "accountproblem",
            "useraccountproblem",
            "userprojectaccountproblem",
            "billing",
            "useraccountsuspended",
        ],
        summary: "The account of the registry's storage is closed or does not pay.",
        ..Rule { cause: Cause::QuotaExceeded, ..BY_STORAGE }
    },
    Rule {
        codes: &[400, 403],
        says: &["kms.*", "kms + disabled*", "kms + key"],
        summary: "The storage cannot decrypt the layer: the key that it is encrypted with is not to be had.",
        fix: "Have the owner of the registry look at the key of the bucket (`aws kms describe-key`) and who may use it.",
        ..BY_STORAGE
    },
    Rule {
        codes: &[403, 409],
        says: &["invalidobjectstate", "blobarchived", "archive*", "glacier"],
        summary: "The storage has moved the layer into an archive, from where it is not served.",
        fix: "Have the owner of the registry restore the object and exempt the bucket from rules that archive.",
        ..BY_STORAGE
    },
    Rule {
        codes: &[429, 503],
        says: &[
            "slowdown",
            "slow down",
            "reduce your request rate",
            "serverbusy",
            "ingress is over",
            "egress is over",
            "throttl*",
        ],
        summary: "The storage behind the registry turns requests away because too many came at once.",
        ..Rule { cause: Cause::Throttled, ..BY_STORAGE }
    },
    Rule {
        codes: &[400, 404],
        says: &["nosuchbucket", "containernotfound", "bucket + does not exist", "invalidbucketname"],
        summary: "The registry sends the node to a bucket that does not exist.",
        fix: "Have the owner of the registry correct the bucket's name in its settings (`storage` in \
              `/etc/distribution/config.yml`).",
        ..BY_STORAGE
    },
    // Without more words: of a link that the registry has just signed.
    Rule {
        codes: &[403],
        says: &["accessdenied", "access denied", "allow access to the object"],
        summary: "The storage denies access to a link that the registry has just given.",
        fix: "If other networks can pull it, look at the policies on this one's way: in AWS the policy of this VPC's S3 endpoint \
              (`aws ec2 describe-vpc-endpoints`). If nobody can, have the owner of the registry look at the policy of the bucket \
              and at the rights of its key.",
        ..BY_STORAGE
    },
];
