//! The language (MIG001–MIG039): shape, names, references, values, variables, fragments, hops.

use super::codes;

codes! {
    UNREADABLE_FILE = 1 Error "a file can't be read"
        "The plan file, a fragment named by `use`, or a variable file does not exist, can't be opened, or is not UTF-8 text. \
         Paths in a plan start from the directory of the file that names them, not from the working directory."
        "use: base.yaml" => "use: ../templates/base.yaml";
    SYNTAX = 2 Error "the file is not YAML"
        "The text can't be read as YAML, so nothing else could be checked. The usual causes are tabs in the indentation, keys \
         of one map at different columns, a missing space after `:`, and an open quote or bracket."
        "clusters:\n\tos: { endpoint: http://os:9200 }" => "clusters:\n  os: { endpoint: http://os:9200 }";
    LIMIT = 3 Error "the file is beyond a limit"
        "Plan files are read under limits, so that a hostile file in a pull request can't exhaust a pipeline: 4 MiB a file, 64 \
         levels of nesting, 200 000 values after anchors are expanded, 64 files, fragments within fragments to 8 levels.";
    FORMAT_VERSION = 4 Error "the format version is missing or unknown"
        "A plan begins with `mig: 1`, the version of the plan language. It says how to read everything after it, and lets a \
         later `mig` change the language without changing what an old plan means."
        "plan: logs" => "mig: 1\nplan: logs";
    UNKNOWN_KEY = 5 Error "unknown key"
        "The plan language has no such key at this place. Nothing is ignored in silence: a key with a typing error would \
         otherwise leave a default in force without a word."
        "docs: { backfill: { from: base, to: os, worker: 4 } }" => "docs: { backfill: { from: base, to: os, workers: 4 } }";
    DUPLICATE_KEY = 6 Error "a key is given twice"
        "YAML forbids it and most readers take the last one in silence. Remove one of the two."
        "workers: 2\nworkers: 4" => "workers: 4";
    MISSING_KEY = 7 Error "a key is missing"
        "The key has no default, because every choice of one would be a guess about your clusters."
        "docs: { backfill: { from: base } }" => "docs: { backfill: { from: base, to: os } }";
    WRONG_TYPE = 8 Error "a value of another type is expected"
        "For example a list where a text belongs, or a quoted text where a number does."
        "workers: \"4\"" => "workers: 4";
    NOT_YET = 9 Error "not in this version of mig yet"
        "The word belongs to the plan language and this version of `mig` does not carry it out. Plans that use it are refused \
         instead of being carried out in part.";
    UNKNOWN_WORD = 10 Error "not one of the words that can stand here"
        "The value is one of a fixed list of words."
        "content: everything" => "content: full";
    OUT_OF_RANGE = 11 Error "a number is out of range"
        "The schema and `mig schema` tell the least and the greatest value of each number."
        "workers: 0" => "workers: 1";
    BAD_UNIT = 12 Error "a quantity without its unit, or with another"
        "A bare `10` could be bytes or mebibytes, seconds or minutes. Sizes are written with B, KiB, MiB, GiB or TiB, times with \
         ms, s, m, h or d, rates with `/s`."
        "rate-per-node: 40" => "rate-per-node: 40MiB/s";
    BAD_NAME = 13 Error "not a name"
        "Names of plans, clusters, stores, phases and variables are addresses: they appear in state, in commands and in the names \
         of snapshots. They begin with a letter and go on with letters, digits, `-`, `_` or `.`, at most 64 characters."
        "phases: { \"my docs\": … }" => "phases: { my-docs: … }";
    NAME_CLASH = 14 Error "a name is used for two things"
        "Clusters, stores and phases share one namespace, so that a name in a reference or on the command line means one thing."
        "clusters: { os: … }\nphases: { os: … }" => "clusters: { os: … }\nphases: { docs: … }";
    DANGLING_REFERENCE = 15 Error "a reference to something that is not there"
        "The name is of no cluster, store or phase of the plan."
        "to: oss" => "to: os";
    WRONG_REFERENCE = 16 Error "a reference to a thing of another kind"
        "For example a cluster where a snapshot phase is expected. A phase reads what another phase made by naming that phase."
        "docs: { backfill: { from: es, to: os } }" => "docs: { backfill: { from: base, to: os } }";
    LITERAL_SECRET = 17 Error "a secret is written into the plan"
        "Plans live in git and in review tools, so they hold references to secrets and never secrets. `mig` doesn't show what was \
         written. If the file was ever committed, treat the secret as known and replace it."
        "password: …" => "password: { env: ES_PASSWORD }";
    URL_CREDENTIALS = 18 Error "an address holds credentials"
        "An address is shown in plans, logs and errors. Put the user and the password under `auth`; the password as a reference."
        "endpoint: https://user:…@es:9200" => "endpoint: https://es:9200\nauth: { basic: { user: user, password: { env: ES_PASSWORD } } }";
    BAD_ADDRESS = 19 Error "not an address"
        "An endpoint is `http://` or `https://`, a host, a port where it isn't the usual one, and a path where the cluster stands \
         behind one. A bucket is `s3://bucket/prefix`."
        "endpoint: es:9200" => "endpoint: http://es:9200";
    UNKNOWN_VERSION = 20 Error "no such version"
        "The text is no version, or there never was such a line of the product. `7.10` and `opensearch:2.19` are versions."
        "version: \"4.2\"" => "version: \"5.6\"";
    UNSUPPORTED_TARGET = 21 Error "mig does not write to this version"
        "Targets are OpenSearch 1 to 3, and Elasticsearch 6.8 to 7.17 as the middle of hops. Sources may be older."
        "os: { directory: ./out, as: elasticsearch:8.1 }" => "os: { directory: ./out, as: \"2.19\" }";
    BAD_SELECTOR = 22 Error "not a pattern"
        "A pattern is a name, a glob with `*` and `?`, or a regular expression between slashes; `!` in front excludes. A list that \
         only excludes chooses nothing."
        "indices: [\"!logs-tmp-*\"]" => "indices: [\"*\", \"!logs-tmp-*\"]";
    BAD_SUBSTITUTION = 23 Error "a substitution that means nothing"
        "Strings may hold `${vars.NAME}`, `${env.NAME}` and, in fragments for hops, `${hop.from}`, `${hop.to}` and `${hop.name}`. \
         There is no expression language. A `${` that is meant literally is written `$${`."
        "workers: \"${workers}\"" => "workers: \"${vars.workers}\"";
    MISSING_VALUE = 24 Error "a variable has no value"
        "The variable has no default, and no value was given. Give one with `--var NAME=VALUE`, in a `--var-file`, or in the \
         environment as `MIG_VAR_NAME` (upper case, `-` and `.` as `_`); the first of these that has one wins."
        "vars: { source: { type: string } }" => "vars: { source: { type: string, default: http://127.0.0.1:9200 } }";
    BAD_VALUE = 25 Error "a variable's value does not fit its declaration"
        "The value is of another type, beyond `min` and `max`, or not one of `allowed`."
        "workers: { type: int, default: many }" => "workers: { type: int, default: 2 }";
    UNDECLARED_VARIABLE = 26 Error "a value for a variable that is not declared"
        "`--var`, a variable file or `with` gives a value to a name that the file doesn't declare under `vars`. Most often it is a \
         typing error, and the default would have been used without a word."
        "with: { sauce: http://es:9200 }" => "with: { source: http://es:9200 }";
    MISSING_ENVIRONMENT = 27 Error "an environment variable is not set"
        "`${env.NAME}` takes a value of the environment when the plan is read. Where a secret is meant, write `{ env: NAME }` \
         instead: then it is read only when it is used, and never shown."
        "endpoint: \"${env.ES_URL}\"" => "vars: { es-url: { default: http://127.0.0.1:9200 } }";
    FRAGMENT_CYCLE = 28 Error "a fragment uses itself"
        "`use` leads back to a file that is being read. Take out one of the steps."
        "use: a.yaml   # in a.yaml" => "use: b.yaml   # in a.yaml";
    BAD_HOPS = 29 Error "the hops don't fit together"
        "`hops` is a path of two or more different clusters. `each-hop` names the fragment that is expanded for each pair, and \
         `hop-overrides` changes fields of phases of that fragment: `from->to: { phase: { field: value } }`."
        "hops: [es56]" => "hops: [es56, os2]";
    UNKNOWN_RULE = 30 Error "no such translation rule"
        "`rules` sets what the findings of a rule mean. `mig rules` lists them."
        "rules: { NO_SUCH_RULE: warn }" => "rules: {}";
    NOT_A_LINT = 31 Error "`allow` names no lint"
        "`allow` turns off lints: warnings with a code between MIG060 and MIG079. Errors can't be turned off. A translation rule is \
         turned off with `rules` of its metadata phase."
        "allow: [MIG005]" => "allow: [MIG060]";
    BAD_RENAME = 32 Error "a rename that leads nowhere"
        "`renamed: { new: old }` hands the state of the old address to the new one. The new one must be in the plan and the old one \
         must not."
        "renamed: { old-docs: docs }" => "renamed: { docs: old-docs }";
    WRITES_READ_ONLY = 33 Error "a phase writes to a cluster that is read-only"
        "`access: read-only` is a promise that `mig` keeps for every phase. Either the phase names the wrong cluster, or the promise is \
         not meant."
        "os: { endpoint: …, access: read-only }" => "os: { endpoint: …, access: read-write }";
    ONE_OF_SEVERAL = 34 Error "exactly one of several keys"
        "These keys are alternatives: a phase has one kind, a secret one place, a cluster one address."
        "docs: { backfill: {…}, verify: {…} }" => "docs: { backfill: {…} }\nsame: { verify: {…} }";
    NO_MEANING_HERE = 35 Error "a key has no meaning here"
        "The key belongs to the language and contradicts another key beside it, for example `auth` of a directory target."
        "os: { directory: ./out, as: \"2.19\", auth: … }" => "os: { directory: ./out, as: \"2.19\" }";
    EMPTY_PLAN = 36 Error "nothing to do"
        "A plan has at least one phase, or `hops`."
        "phases: {}" => "phases: { base: { snapshot: … } }";
    UNKNOWN_TRANSFORM = 37 Error "no such transform"
        "`transforms` of a phase or a test names transforms that stand under `transforms:` at the top of the plan, by their names."
        "docs: { backfill: { from: base, to: os, transforms: [tdy] } }" => "docs: { backfill: { from: base, to: os, transforms: [tidy] } }";
    BAD_SCRIPT = 38 Error "a script does not compile"
        "The place in the script is named. A script is jq without what would make it give another result the next time: `now`, `input`, `env`,          local time, `halt`, `debug` and modules are not there. A definition can't hand a filter on to itself as its last step, since these would pile up."
        "# in the script\n.seen = now" => "# in the script\n.seen = $seen";
    BAD_TYPES = 39 Error "`types` contradicts itself"
        "`types` says how the mapping types of old indices are taken. `name` and `alias` belong to a split, the name of a split has `{type}` \
         in it so that each type gets an index of its own, and fields that are added have plain names."
        "types: { shop: { take: union, name: \"shop-{type}\" } }" => "types: { shop: { take: split, name: \"shop-{type}\" } }";
}
