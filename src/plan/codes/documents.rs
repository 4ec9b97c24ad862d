//! Documents on their way (MIG300–MIG339): transforms and their tests.

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
}
