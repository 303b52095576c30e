//! What JSON is decoded into: Go's types, as far as a document of an image has them.

use base64::prelude::BASE64_STANDARD;
use base64::{DecodeError, Engine as _};

use crate::time;

/// Why a value is not taken.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum TypeMismatch {
    /// It is of another kind.
    Kind,
    /// At this byte.
    Base64(usize),
    Time,
}

/// Takes one value, of the kinds that it knows.
pub trait Target {
    fn unfit(&self) -> TypeMismatch {
        TypeMismatch::Kind
    }
    /// Whether any value is fine, and none is looked at.
    fn anything(&mut self) -> bool {
        false
    }
    /// Whether what it takes stays in memory.
    fn keeps(&self) -> bool {
        false
    }
    /// Whether it looks at a text before it takes it.
    fn reads(&self) -> bool {
        true
    }
    fn null(&mut self) {}
    fn text(&mut self, _: &str) -> Result<(), TypeMismatch> {
        Err(self.unfit())
    }
    fn number(&mut self, _: &str) -> Result<(), TypeMismatch> {
        Err(self.unfit())
    }
    fn truth(&mut self) -> Result<(), TypeMismatch> {
        Err(self.unfit())
    }
    fn object(&mut self) -> Option<&mut dyn Fields> {
        None
    }
    fn array(&mut self) -> Option<&mut dyn Elements> {
        None
    }
}

pub trait Fields {
    /// `""`: of a map.
    fn struct_name(&self) -> &'static str;
    /// `key` is in lower case. `None`: Go does not look at it.
    fn field(&mut self, key: &str) -> Option<FieldTarget<'_>>;
}

pub trait Elements {
    fn go_type(&self) -> &'static str;
    /// Whether each has a place of its own in memory.
    fn keeps(&self) -> bool {
        true
    }
    fn element(&mut self, index: usize) -> &mut dyn Target;
    fn end(&mut self, count: usize);
}

/// Where a field's value goes.
pub struct FieldTarget<'a> {
    /// The embedded struct that has it.
    pub embedded: &'static str,
    pub name: &'static str,
    pub go_type: &'static str,
    pub target: &'a mut dyn Target,
}

impl<'a> FieldTarget<'a> {
    pub fn new(name: &'static str, go_type: &'static str, target: &'a mut dyn Target) -> Option<Self> {
        Some(Self { embedded: "", name, go_type, target })
    }

    pub fn text(name: &'static str, target: &'a mut dyn Target) -> Option<Self> {
        Self::new(name, "string", target)
    }
}

impl Target for String {
    fn keeps(&self) -> bool {
        true
    }

    fn text(&mut self, text: &str) -> Result<(), TypeMismatch> {
        text.clone_into(self);
        Ok(())
    }
}

impl Target for i64 {
    fn number(&mut self, digits: &str) -> Result<(), TypeMismatch> {
        *self = digits.parse().map_err(|_| TypeMismatch::Kind)?;
        Ok(())
    }
}

/// A text that nobody needs.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Text;

impl Target for Text {
    fn reads(&self) -> bool {
        false
    }

    fn text(&mut self, _: &str) -> Result<(), TypeMismatch> {
        Ok(())
    }
}

/// A truth value that nobody needs.
#[derive(Clone, Copy, Debug, Default)]
pub struct Truth;

impl Target for Truth {
    fn truth(&mut self) -> Result<(), TypeMismatch> {
        Ok(())
    }
}

/// A time that nobody needs.
#[derive(Clone, Copy, Debug, Default)]
pub struct Time;

impl Target for Time {
    fn unfit(&self) -> TypeMismatch {
        TypeMismatch::Time
    }

    fn text(&mut self, text: &str) -> Result<(), TypeMismatch> {
        time::fault(text).map_or(Ok(()), |_| Err(TypeMismatch::Time))
    }
}

/// Whether there is a value, were it `null`.
#[derive(Clone, Copy, Debug, Default)]
pub struct Raw(pub bool);

impl Target for Raw {
    fn anything(&mut self) -> bool {
        self.0 = true;
        true
    }
}

/// Bytes that JSON holds as base64.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Bytes(pub Vec<u8>);

impl Target for Bytes {
    fn keeps(&self) -> bool {
        true
    }

    fn null(&mut self) {
        self.0.clear();
    }

    fn text(&mut self, text: &str) -> Result<(), TypeMismatch> {
        let decoded = BASE64_STANDARD.decode(text.replace(['\r', '\n'], ""));
        self.0 = decoded.map_err(|error| match error {
            DecodeError::InvalidByte(at, _) | DecodeError::InvalidLastSymbol(at, _) => TypeMismatch::Base64(at),
            DecodeError::InvalidLength(_) | DecodeError::InvalidPadding => TypeMismatch::Base64(text.len()),
        })?;
        Ok(())
    }
}

/// Go's struct without fields.
#[derive(Clone, Copy, Debug, Default)]
pub struct Empty;

impl Target for Empty {
    fn object(&mut self) -> Option<&mut dyn Fields> {
        Some(self)
    }
}

impl Fields for Empty {
    fn struct_name(&self) -> &'static str {
        "struct {}"
    }

    fn field(&mut self, _: &str) -> Option<FieldTarget<'_>> {
        None
    }
}

/// A map whose values nobody needs.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Map<T> {
    value: T,
}

impl<T: Target + Named> Target for Map<T> {
    fn object(&mut self) -> Option<&mut dyn Fields> {
        Some(self)
    }
}

impl<T: Target + Named> Fields for Map<T> {
    fn struct_name(&self) -> &'static str {
        ""
    }

    fn field(&mut self, _: &str) -> Option<FieldTarget<'_>> {
        FieldTarget::new("", T::NAME, &mut self.value)
    }
}

/// What Go calls a type where it is the value of a map or an element.
pub trait Named {
    const NAME: &'static str;
}

impl Named for Text {
    const NAME: &'static str = "string";
}

impl Named for String {
    const NAME: &'static str = "string";
}

impl Named for Empty {
    const NAME: &'static str = "struct {}";
}

/// A pointer: `null` takes away what was there.
impl<T: Target + Default> Target for Option<Box<T>> {
    fn keeps(&self) -> bool {
        true
    }

    fn null(&mut self) {
        *self = None;
    }

    fn text(&mut self, text: &str) -> Result<(), TypeMismatch> {
        self.get_or_insert_default().text(text)
    }

    fn object(&mut self) -> Option<&mut dyn Fields> {
        self.get_or_insert_default().object()
    }
}

impl<T: Target + Named + Default> Target for Vec<T> {
    fn null(&mut self) {
        self.clear();
    }

    fn array(&mut self) -> Option<&mut dyn Elements> {
        Some(self)
    }
}

/// Go decodes into the elements that are there already.
impl<T: Target + Named + Default> Elements for Vec<T> {
    fn go_type(&self) -> &'static str {
        T::NAME
    }

    fn element(&mut self, index: usize) -> &mut dyn Target {
        if index >= self.len() {
            self.resize_with(index + 1, T::default);
        }
        &mut self[index]
    }

    fn end(&mut self, count: usize) {
        self.truncate(count);
    }
}

/// A list of which only the first element is kept.
#[derive(Clone, Debug, Default)]
pub struct Each<T> {
    pub first: T,
    pub count: usize,
    other: T,
}

impl<T: Target + Named + Default> Target for Each<T> {
    fn null(&mut self) {
        self.count = 0;
    }

    fn array(&mut self) -> Option<&mut dyn Elements> {
        Some(self)
    }
}

impl<T: Target + Named + Default> Elements for Each<T> {
    fn go_type(&self) -> &'static str {
        T::NAME
    }

    fn keeps(&self) -> bool {
        false
    }

    fn element(&mut self, index: usize) -> &mut dyn Target {
        if index == 0 { &mut self.first } else { &mut self.other }
    }

    fn end(&mut self, count: usize) {
        self.count = count;
    }
}
