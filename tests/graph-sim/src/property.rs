//! The properties of a user in v1.0, and sets of them.

use std::sync::LazyLock;

/// Properties that the simulator fills; the numbers are lines of `data/user-properties.tsv`.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
#[repr(u8)]
pub(crate) enum Prop {
    Id,
    UserPrincipalName,
    DisplayName,
    GivenName,
    Surname,
    Mail,
    AccountEnabled,
    UserType,
    EmployeeId,
    EmployeeType,
    Department,
    CompanyName,
    JobTitle,
    OfficeLocation,
    City,
    Country,
    UsageLocation,
    CreatedDateTime,
    OnPremisesSyncEnabled,
    OnPremisesSamAccountName,
    OnPremisesDomainName,
    AssignedLicenses,
    LicenseAssignmentStates,
    CreationType,
    MailNickname,
    PreferredLanguage,
    BusinessPhones,
    MobilePhone,
}

/// How Graph treats a property that is selected on a collection.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum Class {
    /// The simulator fills it.
    Filled,
    /// Known, and empty here: null.
    Null,
    /// Known, and empty here: an empty list.
    List,
    /// Stored outside the directory: 501 on a collection.
    Single,
    /// Needs a further permission.
    Guarded,
}

/// One line of the table.
pub(crate) struct Property {
    pub(crate) name: &'static str,
    pub(crate) class: Class,
    /// `,"name":` as it is written.
    pub(crate) key: Vec<u8>,
}

static TABLE: LazyLock<Vec<Property>> = LazyLock::new(|| {
    let lines = include_str!("../data/user-properties.tsv").lines();
    lines
        .filter_map(|line| line.split_once('\t'))
        .map(|(name, class)| Property {
            name,
            class: match class {
                "sim" => Class::Filled,
                "list" => Class::List,
                "single" => Class::Single,
                "guarded" => Class::Guarded,
                _ => Class::Null,
            },
            key: format!(",\"{name}\":").into_bytes(),
        })
        .collect()
});

/// The table by number.
pub(crate) fn table() -> &'static [Property] {
    &TABLE
}

/// The number of a property by its name, whatever its case.
pub(crate) fn number(name: &str) -> Option<u8> {
    let at = TABLE.iter().position(|p| p.name.eq_ignore_ascii_case(name));
    at.map(|at| at as u8)
}

/// A set of properties.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) struct Select(pub(crate) u128);

impl Select {
    pub(crate) const EMPTY: Self = Self(0);
    /// What Graph returns of a user without `$select`.
    pub(crate) const DEFAULT: Self = Self::of(&[
        Prop::BusinessPhones,
        Prop::DisplayName,
        Prop::GivenName,
        Prop::JobTitle,
        Prop::Mail,
        Prop::MobilePhone,
        Prop::OfficeLocation,
        Prop::PreferredLanguage,
        Prop::Surname,
        Prop::UserPrincipalName,
        Prop::Id,
    ]);
    /// What `User.ReadBasic.All` shows.
    pub(crate) const BASIC: Self = Self::of(&[
        Prop::DisplayName,
        Prop::GivenName,
        Prop::Mail,
        Prop::Surname,
        Prop::UserPrincipalName,
        Prop::Id,
    ]);
    /// What an inventory reads of a user: the first 23 lines of the table.
    pub(crate) const INVENTORY: Self = Self((1 << 23) - 1);

    const fn of(props: &[Prop]) -> Self {
        let (mut bits, mut i) = (0, 0);
        while i < props.len() {
            bits |= 1 << props[i] as u8;
            i += 1;
        }
        Self(bits)
    }

    /// Reads a `$select` list; an unknown name is the error.
    pub(crate) fn parse(list: &str) -> Result<Self, String> {
        let mut select = Self::EMPTY;
        for name in list.split(',').map(str::trim) {
            select.add(number(name).ok_or_else(|| name.to_owned())?);
        }
        Ok(select)
    }

    /// The set of one property; empty when there is none of that name.
    pub(crate) fn of_name(name: &str) -> Self {
        let mut select = Self::EMPTY;
        if let Some(number) = number(name) {
            select.add(number);
        }
        select
    }

    /// Whether the property of this name is in the set.
    pub(crate) fn has(self, name: &str) -> bool {
        self.meets(Self::of_name(name))
    }

    pub(crate) fn add(&mut self, number: u8) {
        self.0 |= 1 << number;
    }

    pub(crate) fn without(self, prop: Prop) -> Self {
        Self(self.0 & !(1 << prop as u8))
    }

    pub(crate) fn with(self, prop: Prop) -> Self {
        Self(self.0 | (1 << prop as u8))
    }

    pub(crate) fn meets(self, other: Self) -> bool {
        self.0 & other.0 != 0
    }

    /// The numbers in the set, ascending.
    pub(crate) fn iter(self) -> impl Iterator<Item = usize> {
        let mut rest = self.0;
        std::iter::from_fn(move || {
            let at = rest.trailing_zeros();
            rest &= rest.wrapping_sub(1);
            (at < 128).then_some(at as usize)
        })
    }

    /// The names in the set, joined by commas.
    pub(crate) fn names(self) -> String {
        let names: Vec<&str> = self
            .iter()
            .filter_map(|n| TABLE.get(n))
            .map(|p| p.name)
            .collect();
        names.join(",")
    }

    /// Whether a property of this class is in the set.
    pub(crate) fn first_of(self, class: Class) -> Option<&'static str> {
        self.iter()
            .filter_map(|n| TABLE.get(n))
            .find(|p| p.class == class)
            .map(|p| p.name)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_numbers_are_lines_of_the_table() {
        for (prop, name) in [
            (Prop::Id, "id"),
            (Prop::Department, "department"),
            (Prop::LicenseAssignmentStates, "licenseAssignmentStates"),
            (Prop::MobilePhone, "mobilePhone"),
        ] {
            assert_eq!(TABLE[prop as usize].name, name);
        }
        assert!(TABLE.len() <= 128);
        assert!(
            Select::INVENTORY
                .names()
                .ends_with("assignedLicenses,licenseAssignmentStates")
        );
        assert_eq!(
            Select::parse(&Select::INVENTORY.names()),
            Ok(Select::INVENTORY)
        );
        assert_eq!(Select::parse("id,wrong"), Err("wrong".to_owned()));
    }
}
