//! The words of which the simulated company is made.

/// A word as it is shown, and as it stands in an address.
pub(crate) type Word = (&'static str, &'static str);

/// The DNS name of the local directory that is synchronised.
pub(crate) const LOCAL_DOMAIN: &str = "corp.contoso.local";

pub(crate) const FIRST: &[Word] = &[
    ("Anna", "anna"),
    ("Björn", "bjoern"),
    ("Chloé", "chloe"),
    ("Daniel", "daniel"),
    ("Elif", "elif"),
    ("François", "francois"),
    ("Grażyna", "grazyna"),
    ("Hannah", "hannah"),
    ("Ivan", "ivan"),
    ("Jürgen", "juergen"),
    ("Katarzyna", "katarzyna"),
    ("Lukas", "lukas"),
    ("María", "maria"),
    ("Noah", "noah"),
    ("Olga", "olga"),
    ("Priya", "priya"),
    ("Quentin", "quentin"),
    ("Rahul", "rahul"),
    ("Søren", "soeren"),
    ("Tomáš", "tomas"),
    ("Ulrike", "ulrike"),
    ("Valentina", "valentina"),
    ("Wei", "wei"),
    ("Xavier", "xavier"),
    ("Yusuf", "yusuf"),
    ("Zoë", "zoe"),
    ("Anne-Marie", "anne-marie"),
    ("Kenji", "kenji"),
    ("Siobhán", "siobhan"),
    ("Tim", "tim"),
];

pub(crate) const LAST: &[Word] = &[
    ("Andersen", "andersen"),
    ("Böhm", "boehm"),
    ("Castro", "castro"),
    ("Dupont", "dupont"),
    ("Eriksson", "eriksson"),
    ("Fischer", "fischer"),
    ("García", "garcia"),
    ("Horváth", "horvath"),
    ("Ivanova", "ivanova"),
    ("Jansen", "jansen"),
    ("Kowalski", "kowalski"),
    ("Lehmann", "lehmann"),
    ("Müller", "mueller"),
    ("Novák", "novak"),
    ("O'Brien", "obrien"),
    ("Patel", "patel"),
    ("Quist", "quist"),
    ("Rossi", "rossi"),
    ("Schmidt", "schmidt"),
    ("Tanaka", "tanaka"),
    ("Ünal", "uenal"),
    ("Vogel", "vogel"),
    ("Weber", "weber"),
    ("Xu", "xu"),
    ("Yılmaz", "yilmaz"),
    ("Zimmermann", "zimmermann"),
    ("von der Leyen", "vonderleyen"),
    ("Smith", "smith"),
    ("Nguyen", "nguyen"),
    ("MacDonald", "macdonald"),
    ("Peeters", "peeters"),
    ("Łukasik", "lukasik"),
];

/// A department, its weight in the company, whether its people work without a desk, and its jobs.
pub(crate) struct Department {
    pub(crate) name: &'static str,
    pub(crate) weight: u32,
    pub(crate) frontline: bool,
    pub(crate) jobs: [&'static str; 3],
}

const fn dep(
    name: &'static str,
    weight: u32,
    frontline: bool,
    jobs: [&'static str; 3],
) -> Department {
    Department {
        name,
        weight,
        frontline,
        jobs,
    }
}

/// Positions that licences depend on.
pub(crate) const IT: u8 = 0;
pub(crate) const FINANCE: u8 = 1;
pub(crate) const ENGINEERING: u8 = 2;
pub(crate) const SALES: u8 = 3;
pub(crate) const LEGAL: u8 = 8;
pub(crate) const MARKETING: u8 = 9;

pub(crate) const DEPARTMENTS: &[Department] = &[
    dep(
        "IT",
        7,
        false,
        ["System Engineer", "Service Desk Agent", "IT Manager"],
    ),
    dep(
        "Finance",
        8,
        false,
        ["Accountant", "Controller", "Head of Treasury"],
    ),
    dep(
        "Engineering",
        16,
        false,
        [
            "Design Engineer",
            "Test Engineer",
            "Lead \"Platform\" Engineer",
        ],
    ),
    dep(
        "Sales",
        14,
        false,
        [
            "Account Manager",
            "Sales Representative",
            "Regional Sales Director",
        ],
    ),
    dep(
        "Human Resources",
        4,
        false,
        ["HR Partner", "Recruiter", "Payroll Specialist"],
    ),
    dep(
        "Research & Development",
        9,
        false,
        ["Scientist", "Lab Technician", "Principal Scientist"],
    ),
    dep(
        "Production",
        24,
        true,
        ["Machine Operator", "Shift Lead", "Maintenance Technician"],
    ),
    dep(
        "Logistics",
        12,
        true,
        ["Warehouse Clerk", "Driver", "Dispatcher"],
    ),
    dep(
        "Legal",
        2,
        false,
        ["Counsel", "Paralegal", "Compliance Officer"],
    ),
    dep(
        "Marketing",
        4,
        false,
        ["Brand Manager", "Designer", "Content Editor"],
    ),
];

/// A country with its usage location, language, company and sites.
pub(crate) struct Country {
    pub(crate) name: &'static str,
    pub(crate) location: &'static str,
    pub(crate) language: &'static str,
    pub(crate) company: &'static str,
    pub(crate) weight: u32,
    pub(crate) cities: [&'static str; 2],
}

const fn land(
    name: &'static str,
    location: &'static str,
    language: &'static str,
    company: &'static str,
    weight: u32,
    cities: [&'static str; 2],
) -> Country {
    Country {
        name,
        location,
        language,
        company,
        weight,
        cities,
    }
}

pub(crate) const COUNTRIES: &[Country] = &[
    land(
        "Germany",
        "DE",
        "de-DE",
        "Contoso GmbH",
        38,
        ["München", "Hamburg"],
    ),
    land(
        "United States",
        "US",
        "en-US",
        "Contoso Inc.",
        18,
        ["Austin", "Chicago"],
    ),
    land(
        "France",
        "FR",
        "fr-FR",
        "Contoso SAS",
        12,
        ["Lyon", "Paris"],
    ),
    land(
        "Poland",
        "PL",
        "pl-PL",
        "Contoso Sp. z o.o.",
        12,
        ["Kraków", "Wrocław"],
    ),
    land(
        "United Kingdom",
        "GB",
        "en-GB",
        "Contoso Ltd",
        8,
        ["Leeds", "London"],
    ),
    land(
        "India",
        "IN",
        "en-IN",
        "Contoso Pvt Ltd",
        8,
        ["Pune", "Bengaluru"],
    ),
    land("Japan", "JP", "ja-JP", "Contoso KK", 4, ["Osaka", "Tokyo"]),
];

pub(crate) const PARTNERS: &[&str] = &[
    "fabrikam.com",
    "adatum.com",
    "northwind.example",
    "tailspin.example",
];

pub(crate) const SERVICES: &[Word] = &[
    ("Scan to Mail", "svc-scan"),
    ("Backup", "svc-backup"),
    ("Room Display", "svc-room"),
    ("Monitoring", "svc-monitor"),
    ("Payroll Interface", "svc-payroll"),
    ("Shared Mailbox", "shared"),
];

/// Picks a position by weight.
pub(crate) fn pick<T>(items: &[T], weight: impl Fn(&T) -> u32, roll: u32) -> u8 {
    let mut rest = roll;
    for (position, item) in items.iter().enumerate() {
        let share = weight(item);
        if rest < share {
            return position as u8;
        }
        rest -= share;
    }
    0
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn weights_are_percentages() {
        assert_eq!(DEPARTMENTS.iter().map(|d| d.weight).sum::<u32>(), 100);
        assert_eq!(COUNTRIES.iter().map(|c| c.weight).sum::<u32>(), 100);
    }
}
