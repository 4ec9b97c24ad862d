//! The values of scripts: those of `jaq-json`, with each construction counted by `meter`.
//!
//! A value knows an upper bound of its levels, so that none grows so deep that dropping or comparing it would end the
//! stack. Updates keep the order of keys. Deliberately absent: strings of bytes, which no JSON has.

use std::cmp::Ordering;
use std::fmt;
use std::ops::{Add, Div, Mul, Neg, Rem, Sub};

use bytes::Bytes;
use jaq_core::val::Range;
use jaq_core::{Error, Exn, ValR, ValT, ValX, ops, path};
use jaq_json::{Map, Num, Rc, Val};

use super::super::limits;
use super::meter;

/// Bytes that an item of a list takes, and one of an object.
const ITEM_BYTES: usize = 16;
const ENTRY_BYTES: usize = 48;

/// A value.
#[derive(Clone, Debug)]
pub(crate) struct Value {
    pub(crate) val: Val,
    /// No fewer levels than it has.
    depth: u32,
    /// How many places it was taken from, one within the other: as long may its path be.
    places: u32,
}

impl Value {
    /// A value that was made within the limits, with a bound of its levels.
    pub(crate) fn new(val: Val, depth: u32) -> Self {
        let nested = matches!(&val, Val::Arr(_) | Val::Obj(_));
        Self {
            depth: if nested { depth.max(1) } else { 0 },
            val,
            places: 0,
        }
    }

    /// One that was taken from so many places.
    fn at_place(self, places: u32) -> Self {
        Self { places, ..self }
    }

    /// Places of what is taken from it.
    fn next_place(&self) -> u32 {
        meter::places(self.places + 1)
    }

    fn child(&self, val: Val) -> Self {
        Self::new(val, self.depth.saturating_sub(1))
    }

    pub(crate) fn text(text: impl Into<Bytes>) -> Self {
        let text = text.into();
        meter::bytes(text.len());
        Self::new(Val::utf8_str(text), 0)
    }

    pub(crate) fn bytes_of(&self) -> Option<&[u8]> {
        match &self.val {
            Val::TStr(text) | Val::BStr(text) => Some(text),
            _ => None,
        }
    }
}

fn owned<T: Clone>(shared: Rc<T>, bytes: usize) -> T {
    if Rc::strong_count(&shared) > 1 {
        meter::bytes(bytes);
    }
    Rc::unwrap_or_clone(shared)
}

fn list(items: Rc<Vec<Val>>) -> Vec<Val> {
    let bytes = items.len() * ITEM_BYTES;
    owned(items, bytes)
}

fn object(entries: Rc<Map>) -> Map {
    let bytes = entries.len() * ENTRY_BYTES;
    owned(entries, bytes)
}

/// An error of a value of `jaq-json`, in words.
fn told(error: Error<Val>) -> Error<Value> {
    Error::new(Value::new(error.into_val(), 0))
}

/// What an operation may have to copy.
fn cost(left: &Val, right: &Val) -> usize {
    let shared = |count: usize, len: usize, each: usize| if count > 1 { len * each } else { 0 };
    let of_left = match left {
        Val::TStr(text) | Val::BStr(text) => text.len(),
        Val::Arr(items) => shared(Rc::strong_count(items), items.len(), ITEM_BYTES),
        Val::Obj(entries) => shared(Rc::strong_count(entries), entries.len(), ENTRY_BYTES),
        _ => 0,
    };
    let of_right = match right {
        Val::TStr(text) | Val::BStr(text) => text.len(),
        Val::Arr(items) => items.len() * ITEM_BYTES,
        Val::Obj(entries) => entries.len() * ENTRY_BYTES,
        _ => 0,
    };
    of_left + of_right
}

/// Counts what is copied where objects within objects are merged, too.
fn merged(left: &Val, right: &Val) {
    let (Val::Obj(left), Val::Obj(right)) = (left, right) else {
        return;
    };
    meter::work(right.len());
    for (key, right) in right.iter() {
        if let (Some(left @ Val::Obj(inner)), Val::Obj(_)) = (left.get(key), right) {
            meter::bytes(inner.len() * ENTRY_BYTES);
            merged(left, right);
        }
    }
}

fn bits(val: &Val) -> usize {
    match val {
        Val::Num(Num::BigInt(number)) => usize::try_from(number.bits()).unwrap_or(usize::MAX),
        _ => 64,
    }
}

impl Add for Value {
    type Output = ValR<Self>;
    fn add(self, right: Self) -> ValR<Self> {
        let depth = self.depth.max(right.depth);
        match (&self.val, &right.val) {
            (Val::Null, _)
            | (_, Val::Null)
            | (Val::Num(_), Val::Num(_))
            | (Val::TStr(_), Val::TStr(_))
            | (Val::BStr(_), Val::BStr(_))
            | (Val::Arr(_), Val::Arr(_))
            | (Val::Obj(_), Val::Obj(_)) => {
                meter::bytes(cost(&self.val, &right.val));
                meter::work(bits(&self.val).max(bits(&right.val)) / 64);
                (self.val + right.val)
                    .map(|val| Self::new(val, depth))
                    .map_err(told)
            }
            _ => Err(Error::math(self, ops::Math::Add, right)),
        }
    }
}

impl Sub for Value {
    type Output = ValR<Self>;
    fn sub(self, right: Self) -> ValR<Self> {
        let depth = self.depth;
        match (&self.val, &right.val) {
            (Val::Num(_), Val::Num(_)) => {}
            (Val::Arr(left), Val::Arr(taken)) => {
                meter::bytes(cost(&self.val, &right.val));
                // Each is looked for among what is taken, which is in order.
                let mut met = meter::Met::default();
                let all = left.iter().chain(taken.iter());
                all.for_each(|item| within(item, &mut met));
                let each = taken.len().checked_ilog2().unwrap_or(0) as usize + 1;
                meter::work(met.count().saturating_mul(each));
            }
            _ => return Err(Error::math(self, ops::Math::Sub, right)),
        }
        (self.val - right.val)
            .map(|val| Self::new(val, depth))
            .map_err(told)
    }
}

impl Mul for Value {
    type Output = ValR<Self>;
    fn mul(self, right: Self) -> ValR<Self> {
        let mut depth = self.depth;
        match (&self.val, &right.val) {
            (Val::Num(left), Val::Num(right_number)) => {
                if let (Num::BigInt(_), _) | (_, Num::BigInt(_)) = (left, right_number) {
                    let size = bits(&self.val).saturating_add(bits(&right.val)) / 8;
                    meter::bytes(size);
                    meter::work(size.saturating_mul(size) / 64);
                }
            }
            (Val::TStr(text) | Val::BStr(text), Val::Num(number))
            | (Val::Num(number), Val::TStr(text) | Val::BStr(text)) => {
                let times = number.as_isize().unwrap_or(match number {
                    Num::BigInt(_) => isize::MAX,
                    _ => 0,
                });
                let times = usize::try_from(times).unwrap_or(0);
                meter::bytes(text.len().saturating_mul(times));
            }
            (Val::Obj(_), Val::Obj(_)) => {
                depth = depth.max(right.depth);
                meter::bytes(cost(&self.val, &right.val));
                merged(&self.val, &right.val);
            }
            _ => return Err(Error::math(self, ops::Math::Mul, right)),
        }
        (self.val * right.val)
            .map(|val| Self::new(val, depth))
            .map_err(told)
    }
}

impl Div for Value {
    type Output = ValR<Self>;
    fn div(self, right: Self) -> ValR<Self> {
        match (&self.val, &right.val) {
            (Val::Num(_), Val::Num(_)) => {}
            (Val::TStr(left), Val::TStr(_)) => meter::bytes(left.len() * ITEM_BYTES),
            _ => return Err(Error::math(self, ops::Math::Div, right)),
        }
        (self.val / right.val)
            .map(|val| Self::new(val, 1))
            .map_err(told)
    }
}

impl Rem for Value {
    type Output = ValR<Self>;
    fn rem(self, right: Self) -> ValR<Self> {
        match (&self.val, &right.val) {
            (Val::Num(_), Val::Num(_)) => {
                let size = bits(&self.val).max(bits(&right.val)) / 8;
                meter::work(size.saturating_mul(size) / 64);
                (self.val % right.val)
                    .map(|val| Self::new(val, 0))
                    .map_err(told)
            }
            _ => Err(Error::math(self, ops::Math::Rem, right)),
        }
    }
}

impl Neg for Value {
    type Output = ValR<Self>;
    fn neg(self) -> ValR<Self> {
        match &self.val {
            // Written digits stay: only a sign is put before them.
            Val::Num(Num::Dec(digits)) => {
                let negated = match digits.strip_prefix('-') {
                    Some(positive) => positive.to_owned(),
                    None => format!("-{digits}"),
                };
                Ok(Self::new(Val::Num(Num::Dec(Rc::new(negated))), 0))
            }
            Val::Num(_) => (-self.val).map(|val| Self::new(val, 0)).map_err(told),
            _ => Err(Error::typ(self, "number")),
        }
    }
}

/// What a field of an object counts as, beside its value.
const FIELD: usize = 8;

/// Counts what a comparison may look at: all of what is alike.
pub(super) fn compared(left: &Val, right: &Val) {
    match (left, right) {
        (Val::TStr(left) | Val::BStr(left), Val::TStr(right) | Val::BStr(right)) => {
            meter::work(left.len().min(right.len()) / 8);
        }
        (Val::Arr(_), Val::Arr(_)) | (Val::Obj(_), Val::Obj(_)) => {
            alike(left, right, &mut meter::Met::default());
        }
        _ => meter::work(0),
    }
}

fn alike(left: &Val, right: &Val, met: &mut meter::Met) -> bool {
    met.more(1);
    match (left, right) {
        (Val::Arr(left), Val::Arr(right)) => {
            left.len() == right.len()
                && left
                    .iter()
                    .zip(right.iter())
                    .all(|(left, right)| alike(left, right, met))
        }
        (Val::Obj(left), Val::Obj(right)) => {
            // Which field decides is known by their order alone, so all are looked at.
            for (key, left) in left.iter() {
                met.more(FIELD);
                if let Some(right) = right.get(key) {
                    alike(left, right, met);
                }
            }
            left.len() == right.len()
        }
        (Val::Arr(_) | Val::Obj(_), _) | (_, Val::Arr(_) | Val::Obj(_)) => false,
        _ => left == right,
    }
}

/// Counts all that is within a value, as far as it goes down.
fn within(val: &Val, met: &mut meter::Met) {
    met.more(1);
    match val {
        Val::Arr(items) => items.iter().for_each(|item| within(item, met)),
        Val::Obj(entries) => entries.iter().for_each(|(_, item)| within(item, met)),
        _ => {}
    }
}

/// Counts what a key of an object takes to be found: most are texts.
fn as_key(val: &Val) {
    if matches!(val, Val::Arr(_) | Val::Obj(_)) {
        within(val, &mut meter::Met::default());
    }
}

impl PartialEq for Value {
    fn eq(&self, other: &Self) -> bool {
        compared(&self.val, &other.val);
        self.val == other.val
    }
}

impl Eq for Value {}

impl PartialOrd for Value {
    fn partial_cmp(&self, other: &Self) -> Option<Ordering> {
        Some(self.cmp(other))
    }
}

impl Ord for Value {
    fn cmp(&self, other: &Self) -> Ordering {
        compared(&self.val, &other.val);
        self.val.cmp(&other.val)
    }
}

/// For the messages of errors alone: the beginning.
impl fmt::Display for Value {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        struct Beginning<'a, 'f>(&'a mut fmt::Formatter<'f>, usize);
        impl fmt::Write for Beginning<'_, '_> {
            fn write_str(&mut self, text: &str) -> fmt::Result {
                let end = text.char_indices().nth(self.1).map(|(end, _)| end);
                let part = &text[..end.unwrap_or(text.len())];
                self.1 -= part.chars().count();
                self.0.write_str(part)?;
                end.map_or(Ok(()), |_| Err(fmt::Error))
            }
        }
        // What is beyond is no error of the one who writes.
        let mut beginning = Beginning(f, limits::SHOWN_CHARS);
        fmt::write(&mut beginning, format_args!("{}", self.val)).or(Ok(()))
    }
}

impl From<bool> for Value {
    fn from(flag: bool) -> Self {
        Self::new(Val::from(flag), 0)
    }
}

impl From<isize> for Value {
    fn from(number: isize) -> Self {
        Self::new(Val::from(number), 0)
    }
}

impl From<usize> for Value {
    fn from(number: usize) -> Self {
        Self::new(Val::from(number), 0)
    }
}

impl From<f64> for Value {
    fn from(number: f64) -> Self {
        Self::new(Val::from(number), 0)
    }
}

impl From<String> for Value {
    fn from(text: String) -> Self {
        Self::text(text)
    }
}

impl From<Range<Self>> for Value {
    fn from(range: Range<Self>) -> Self {
        let entry =
            |(name, bound): (&'static str, Option<Self>)| Some((Val::utf8_str(name), bound?.val));
        let bounds = [("start", range.start), ("end", range.end)];
        Self::new(Val::obj(bounds.into_iter().filter_map(entry).collect()), 1)
    }
}

impl FromIterator<Self> for Value {
    fn from_iter<I: IntoIterator<Item = Self>>(items: I) -> Self {
        let mut depth = 0;
        let mut list = Vec::new();
        for item in items {
            meter::bytes(ITEM_BYTES);
            depth = depth.max(item.depth);
            list.push(item.val);
        }
        Self::new(Val::Arr(Rc::new(list)), meter::depth(depth + 1))
    }
}

impl ValT for Value {
    fn from_num(digits: &str) -> ValR<Self> {
        Ok(Self::new(super::read::number(digits), 0))
    }

    fn from_map<I: IntoIterator<Item = (Self, Self)>>(entries: I) -> ValR<Self> {
        let mut depth = 0;
        let mut object = Map::default();
        for (key, value) in entries {
            meter::bytes(ENTRY_BYTES);
            as_key(&key.val);
            depth = depth.max(value.depth);
            object.insert(key.val, value.val);
        }
        Ok(Self::new(Val::obj(object), meter::depth(depth + 1)))
    }

    fn key_values(self) -> jaq_core::box_iter::BoxIter<'static, ValR<(Self, Self), Self>> {
        let depth = self.depth.saturating_sub(1);
        let places = self.next_place();
        let pair = move |(key, value): (Val, Val)| {
            meter::work(16);
            let value = Self::new(value, depth).at_place(places);
            Ok((Self::new(key, 0), value))
        };
        match self.val {
            Val::Arr(items) => {
                let items = list(items).into_iter().enumerate();
                Box::new(items.map(move |(at, item)| pair((Val::from(at), item))))
            }
            Val::Obj(entries) => Box::new(object(entries).into_iter().map(pair)),
            _ => Box::new(std::iter::once(Err(not_iterable(self)))),
        }
    }

    fn values(self) -> Box<dyn Iterator<Item = ValR<Self>>> {
        let depth = self.depth.saturating_sub(1);
        let places = self.next_place();
        let child = move |value: Val| {
            meter::work(16);
            Ok(Self::new(value, depth).at_place(places))
        };
        match self.val {
            Val::Arr(items) => Box::new(list(items).into_iter().map(child)),
            Val::Obj(entries) => {
                Box::new(object(entries).into_iter().map(move |(_, it)| child(it)))
            }
            _ => Box::new(std::iter::once(Err(not_iterable(self)))),
        }
    }

    fn index(self, index: &Self) -> ValR<Self> {
        let depth = self.depth.saturating_sub(1);
        let places = self.next_place();
        match (&self.val, &index.val) {
            (Val::Obj(entries), key) => {
                as_key(key);
                let found = entries.get(key).cloned().unwrap_or_default();
                return Ok(Self::new(found, depth).at_place(places));
            }
            (Val::Null, _)
            | (Val::Arr(_), Val::Num(Num::Int(_) | Num::BigInt(_)) | Val::Arr(_) | Val::Obj(_))
            | (Val::TStr(_), Val::Obj(_)) => {}
            _ => return Err(Error::index(self, index.clone())),
        }
        let depth = self.depth;
        self.val
            .index(&index.val)
            .map(|val| Self::new(val, depth).at_place(places))
            .map_err(told)
    }

    fn range(self, range: Range<&Self>) -> ValR<Self> {
        let depth = self.depth;
        let places = self.next_place();
        match &self.val {
            Val::Arr(items) => meter::bytes(items.len() * ITEM_BYTES),
            // Characters are counted from both ends.
            Val::TStr(text) | Val::BStr(text) => meter::work(text.len() / 8),
            _ => {}
        }
        self.val
            .range(range.start.map(|it| &it.val)..range.end.map(|it| &it.val))
            .map(|val| Self::new(val, depth).at_place(places))
            .map_err(told)
    }

    fn map_values<'a, I: Iterator<Item = ValX<'a, Self>>>(
        self,
        opt: path::Opt,
        f: impl Fn(Self) -> I,
    ) -> ValX<'a, Self> {
        let below = self.depth.saturating_sub(1);
        let mut depth = 0;
        match self.val {
            Val::Arr(items) => {
                let mut made = Vec::with_capacity(items.len());
                for item in list(items) {
                    for value in f(Self::new(item, below)) {
                        let value = value?;
                        meter::bytes(ITEM_BYTES);
                        depth = depth.max(value.depth);
                        made.push(value.val);
                    }
                }
                Ok(Self::new(Val::Arr(Rc::new(made)), meter::depth(depth + 1)))
            }
            Val::Obj(entries) => {
                let mut made = Map::default();
                for (key, item) in object(entries) {
                    if let Some(value) = f(Self::new(item, below)).next() {
                        let value = value?;
                        meter::bytes(ENTRY_BYTES);
                        depth = depth.max(value.depth);
                        made.insert(key, value.val);
                    }
                }
                Ok(Self::new(Val::obj(made), meter::depth(depth + 1)))
            }
            _ => opt.fail(self, |value| Exn::from(not_iterable(value))),
        }
    }

    fn map_index<'a, I: Iterator<Item = ValX<'a, Self>>>(
        mut self,
        index: &Self,
        opt: path::Opt,
        f: impl Fn(Self) -> I,
    ) -> ValX<'a, Self> {
        let below = self.depth.saturating_sub(1);
        if let (Val::TStr(_) | Val::Arr(_), Val::Obj(bounds)) = (&self.val, &index.val) {
            let bound = |name: &'static str| {
                let bound = bounds.get(&Val::utf8_str(name)).cloned();
                bound.map(|val| Self::new(val, 0))
            };
            let (start, end) = (bound("start"), bound("end"));
            return self.map_range(start.as_ref()..end.as_ref(), opt, f);
        }
        match self.val {
            Val::Obj(entries) => {
                as_key(&index.val);
                let mut entries = object(entries);
                let at = entries.get_index_of(&index.val);
                let old = at
                    .and_then(|at| entries.get_index_mut(at))
                    .map(|(_, value)| std::mem::take(value));
                let new = f(Self::new(old.unwrap_or_default(), below)).next();
                let mut depth = self.depth.max(1);
                match (at, new.transpose()?) {
                    (Some(at), Some(new)) => {
                        depth = depth.max(meter::depth(new.depth + 1));
                        if let Some((_, value)) = entries.get_index_mut(at) {
                            *value = new.val;
                        }
                    }
                    (Some(at), None) => {
                        // Those behind it stay in their order, which takes time with their number.
                        meter::work(entries.len());
                        entries.shift_remove_index(at);
                    }
                    (None, Some(new)) => {
                        meter::bytes(ENTRY_BYTES);
                        depth = depth.max(meter::depth(new.depth + 1));
                        entries.insert(index.val.clone(), new.val);
                    }
                    (None, None) => {}
                }
                Ok(Self::new(Val::obj(entries), depth))
            }
            // As in jq: what is not there is made.
            Val::Null if index.bytes_of().is_some() => {
                let new = f(Self::new(Val::Null, 0)).next().transpose()?;
                let mut entries = Map::default();
                let mut depth = 1;
                if let Some(new) = new {
                    meter::bytes(ENTRY_BYTES);
                    depth = meter::depth(new.depth + 1);
                    entries.insert(index.val.clone(), new.val);
                }
                Ok(Self::new(Val::obj(entries), depth))
            }
            Val::Arr(items) => {
                let position = position(index, items.len());
                let Some(at) = position else {
                    self.val = Val::Arr(items);
                    return opt.fail(self, |value| Exn::from(Error::index(value, index.clone())));
                };
                let mut items = list(items);
                let old = std::mem::take(&mut items[at]);
                let mut depth = self.depth;
                if let Some(new) = f(Self::new(old, below)).next().transpose()? {
                    depth = depth.max(meter::depth(new.depth + 1));
                    items[at] = new.val;
                } else {
                    meter::work(items.len());
                    items.remove(at);
                }
                Ok(Self::new(Val::Arr(Rc::new(items)), depth))
            }
            _ => opt.fail(self, |value| Exn::from(not_iterable(value))),
        }
    }

    fn map_range<'a, I: Iterator<Item = ValX<'a, Self>>>(
        mut self,
        range: Range<&Self>,
        opt: path::Opt,
        f: impl Fn(Self) -> I,
    ) -> ValX<'a, Self> {
        let Val::Arr(items) = self.val else {
            return opt.fail(self, |value| Exn::from(Error::typ(value, "array")));
        };
        let bound = |bound: Option<&Self>, none: usize| match bound.map(|it| &it.val) {
            None | Some(Val::Null) => Some(none),
            Some(Val::Num(number)) => number.as_isize().map(|at| {
                let from_end = items.len().saturating_sub(at.unsigned_abs());
                usize::try_from(at).unwrap_or(from_end).min(items.len())
            }),
            Some(_) => None,
        };
        let (Some(from), Some(to)) = (bound(range.start, 0), bound(range.end, items.len())) else {
            self.val = Val::Arr(items);
            return opt.fail(self, |value| Exn::from(Error::typ(value, "array")));
        };
        let to = to.max(from);
        let mut items = list(items);
        meter::bytes((to - from) * ITEM_BYTES);
        let part = Self::new(Val::Arr(Rc::new(items[from..to].to_vec())), self.depth);
        let new = f(part).next().transpose()?;
        let (new, depth) = match new {
            None => (Vec::new(), 0),
            Some(Self {
                val: Val::Arr(new),
                depth,
                ..
            }) => (list(new), depth),
            Some(other) => return Err(Exn::from(Error::typ(other, "array"))),
        };
        items.splice(from..to, new);
        Ok(Self::new(
            Val::Arr(Rc::new(items)),
            meter::depth(depth.max(self.depth)),
        ))
    }

    fn as_bool(&self) -> bool {
        self.val.as_bool()
    }

    fn into_string(self) -> Self {
        match self.val {
            Val::TStr(_) => self,
            _ => Self::text(super::write::text(&self.val)),
        }
    }
}

fn not_iterable(value: Value) -> Error<Value> {
    Error::typ(value, "iterable (array or object)")
}

/// The place in a list that a number means.
fn position(index: &Value, len: usize) -> Option<usize> {
    let Val::Num(number) = &index.val else {
        return None;
    };
    let at = number.as_isize()?;
    let at = usize::try_from(at)
        .ok()
        .or_else(|| len.checked_sub(at.unsigned_abs()))?;
    (at < len).then_some(at)
}

impl jaq_std::ValT for Value {
    fn into_seq<S: FromIterator<Self>>(self) -> Result<S, Self> {
        let depth = self.depth.saturating_sub(1);
        match self.val {
            Val::Arr(items) => {
                meter::work(items.len() * 16);
                Ok(list(items)
                    .into_iter()
                    .map(|it| Self::new(it, depth))
                    .collect())
            }
            _ => Err(self),
        }
    }

    fn is_int(&self) -> bool {
        jaq_std::ValT::is_int(&self.val)
    }

    fn as_isize(&self) -> Option<isize> {
        jaq_std::ValT::as_isize(&self.val)
    }

    fn as_f64(&self) -> Option<f64> {
        jaq_std::ValT::as_f64(&self.val)
    }

    fn is_utf8_str(&self) -> bool {
        matches!(self.val, Val::TStr(_))
    }

    fn as_bytes(&self) -> Option<&[u8]> {
        let text = self.bytes_of()?;
        // Whoever asks goes over it.
        meter::work(text.len() / 8);
        Some(text)
    }

    fn as_sub_str(&self, sub: &[u8]) -> Self {
        meter::work(16);
        match &self.val {
            Val::TStr(text) | Val::BStr(text) => Self::new(Val::utf8_str(text.slice_ref(sub)), 0),
            _ => self.child(Val::Null),
        }
    }

    fn from_utf8_bytes(text: impl AsRef<[u8]> + Send + 'static) -> Self {
        Self::text(Bytes::from_owner(text))
    }
}
