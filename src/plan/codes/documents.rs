//! Documents on their way (MIG300–MIG339): transforms and their tests, and mapping types.

use super::codes;

codes! {
    BAD_DATE_FORMAT = 300 Error "a format of dates that can't be read or written"
        "A format is a name (`epoch_millis`, `epoch_second`, `strict_date_optional_time`, `date_time`, `basic_date`, …) or a pattern of digits: \
         `yyyy`, `MM`, `dd`, `HH`, `mm`, `ss`, `SSS`, `X` and `XXX` for offsets, texts in single quotes. Names of months and of time zones are \
         none of it: a script can read those."
        "date: { fields: [day], from: [\"dd MMMM yyyy\"], to: date }" => "date: { fields: [day], from: [\"dd/MM/yyyy\"], to: date }";
    BAD_FIELD = 301 Error "a path of a field is none, or two contradict each other"
        "A path is names with dots between them. It holds no empty name and no list position: what a step does, it does to every item of a \
         list. A step can't rename two fields to one, nor one into itself."
        "rename: { \"a..b\": c }" => "rename: { \"a.b\": c }";
    BAD_TEST = 302 Error "a test can't be run"
        "A test of a document says what goes in (`in` or `in-file`) and one thing that has to become of it: `out`, `out-file`, `dropped: true` \
         or `fails`. A test of a mapping says `out`, `codes` or both, and both of its versions with their products."
        "t: { document: { transforms: [tidy], index: logs, in: {}, out: {}, dropped: true } }" => "t: { document: { transforms: [tidy], index: logs, in: {}, out: {} } }";
    TRANSFORM_UNUSED = 310 Error "a transform is for none of the indices"
        "A transform that a phase names selects no index, data stream or template of its source, so that its documents would arrive as \
         they are: a typing error more often than not. A data stream is meant by its own name; an index that `types` splits by its own name \
         or by those of its parts."
        "transforms: { private: { indices: [custmers], steps: [{ drop: [email] }] } }" => "transforms: { private: { indices: [customers], steps: [{ drop: [email] }] } }";
    FIELD_KEPT = 311 Warning "metadata keeps a field that a transform takes away"
        "A transform renames or drops a field, and something still has it: a template that is for names beyond those of the transform, or a \
         component of such a template, so that the next index gets the field by its old name; or a setting, a dynamic template, an alias or a \
         `copy_to` that names it. A template is changed where the transform is for all of its names. The other ones are changed by hand, on \
         the source or on the target."
        "tidy: { indices: [logs-2020-11], steps: [{ rename: { msg: message } }] }" => "tidy: { indices: [\"logs-*\"], steps: [{ rename: { msg: message } }] }";
    IDS_COLLIDE = 320 Error "an `_id` stands in several types"
        "Types had identities of their own: `post#1` and `comment#1` are two documents, and in one index without types one of them would take the \
         place of the other. A union keeps `_id` only where planning read all identities and found none in two types; indices beyond the limits of that \
         reading are not proved. `ids: type-prefix` makes each `_id` `type#id`; `take: split` gives each type an index of its own."
        "types: { blog: { take: union } }" => "types: { blog: { take: union, ids: type-prefix } }";
    FIELDS_CONFLICT = 321 Error "types define a field differently"
        "One index has one definition of a field, and these types have several. Split the types into indices of their own, leave one of them out with \
         `drop`, or say with `prefer` whose definition counts; documents of the others that don't fit it fail by name."
        "types: { blog: { take: union } }" => "types: { blog: { take: union, prefer: post } }";
    NAME_TAKEN = 322 Error "an index of a split can't have its name"
        "The name that the pattern gives is another index's or alias's already, two types get the same (names of indices are in lower case), or it is \
         none that an index can have. Give another `name`."
        "types: { shop: { take: split, name: \"{type}\" } }" => "types: { shop: { take: split, name: \"{index}-{type}\" } }";
    TYPES_UNFIT = 323 Error "`types` does not fit the index"
        "A rule of `types` names a type that the index has not got, drops all of them, names a field that a type has already, or is for an index that is \
         not among what is moved: a typing error more often than not."
        "types: { blog: { take: union, drop: [pots] } }" => "types: { blog: { take: union, drop: [post] } }";
    STREAM_AHEAD = 330 Error "a data stream is ahead of its documents"
        "A data stream gives documents to its newest generation alone. On the target it has more generations than were made for what is \
         loaded, so that the documents that are still to come would stand in the wrong one: somebody, or a policy, rolled it over, or it was \
         there before. Stop what rolls it over and load the stream anew (`--redo`), or take its indices one by one."
        "docs: { backfill: { from: base, to: os } }" => "docs: { backfill: { from: base, to: os, data-streams: indices } }";
    STREAM_ROUTING = 331 Error "documents of a data stream have a routing of their own"
        "The source lets clients route documents of this data stream (`allow_custom_routing`), and a data stream of the target refuses every \
         document with a routing. As ordinary indices they keep it."
        "docs: { backfill: { from: base, to: os } }" => "docs: { backfill: { from: base, to: os, data-streams: indices } }";
}
