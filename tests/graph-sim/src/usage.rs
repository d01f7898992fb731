//! How a user works with the services, as the usage reports tell it.

use crate::catalog::sku;
use crate::licence::assigned;
use crate::person::User;
use crate::rng::mix;
use crate::signin;

/// The services that are reported on.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum Service {
    Exchange,
    OneDrive,
    SharePoint,
    Skype,
    Yammer,
    Teams,
    Apps,
    Copilot,
}

const SUITES: [u8; 5] = [
    sku::M365_E3,
    sku::M365_E5,
    sku::M365_F3,
    sku::OFFICE_E3,
    sku::M365_E3_NO_TEAMS,
];

impl Service {
    /// The SKUs that license it.
    fn skus(self) -> &'static [u8] {
        match self {
            Self::Exchange | Self::OneDrive | Self::SharePoint => &SUITES,
            Self::Yammer => &SUITES[..4],
            Self::Skype => &[sku::M365_E3, sku::M365_E5, sku::OFFICE_E3],
            Self::Teams => &[
                sku::M365_E3,
                sku::M365_E5,
                sku::M365_F3,
                sku::OFFICE_E3,
                sku::TEAMS,
                sku::ROOMS,
            ],
            Self::Apps => &[
                sku::M365_E3,
                sku::M365_E5,
                sku::OFFICE_E3,
                sku::M365_E3_NO_TEAMS,
                sku::UNATTENDED,
            ],
            Self::Copilot => &[sku::COPILOT],
        }
    }

    /// Of a thousand licensed users, how many use it.
    fn permille(self) -> u64 {
        match self {
            Self::Exchange => 960,
            Self::Teams => 880,
            Self::Apps => 800,
            Self::OneDrive => 700,
            Self::SharePoint => 550,
            Self::Copilot => 450,
            Self::Yammer => 60,
            // Retired: licensed still, used by nobody.
            Self::Skype => 0,
        }
    }

    pub(crate) fn licensed(self, user: &User) -> bool {
        let held = assigned(&user.paths, user.orphan);
        let has = |sku: &u8| held[usize::from(*sku)].is_some();
        self.skus().iter().any(has)
    }

    /// The day on which the licence came, if there is one.
    pub(crate) fn licensed_since(self, user: &User) -> Option<i32> {
        let paths = user.paths.iter();
        let giving = paths.filter(|p| p.state.gives() && self.skus().contains(&p.sku));
        giving.map(|p| p.since).min()
    }

    fn draw(self, key: u64, user: &User) -> u64 {
        mix(key ^ 0x05a6_e000 ^ self as u64, u64::from(user.index))
    }

    /// The day of the last activity that is known on `day`.
    pub(crate) fn last(self, key: u64, user: &User, day: i32) -> Option<i32> {
        let draw = self.draw(key, user);
        if !self.licensed(user) || draw % 1_000 >= self.permille() {
            return None;
        }
        let signs = signin::on(key, user, day)?;
        let last = signs.interactive.or(signs.background)?;
        let last = last - (draw >> 12 & 3) as i32;
        (last > user.created).then_some(last)
    }

    /// How often something was done in the `period` days up to `day`: up to about `week` times in a week.
    pub(crate) fn count(self, key: u64, user: &User, day: i32, period: i32, week: u64) -> u64 {
        let active = self.last(key, user, day).is_some_and(|l| l > day - period);
        if !active || week == 0 {
            return 0;
        }
        let draw = mix(self.draw(key, user), week) % week;
        1 + draw * u64::from(period.unsigned_abs()) / 7
    }
}

/// Product names as the reports write them, in upper case.
pub(crate) fn product(sku: u8) -> &'static str {
    match sku {
        sku::M365_E3 => "MICROSOFT 365 E3",
        sku::M365_E5 => "MICROSOFT 365 E5",
        sku::M365_F3 => "MICROSOFT 365 F3",
        sku::OFFICE_E3 => "OFFICE 365 E3",
        sku::POWER_BI => "POWER BI PRO",
        sku::VISIO => "VISIO ONLINE PLAN 2",
        sku::PROJECT => "PROJECT ONLINE PROFESSIONAL",
        sku::EMS => "ENTERPRISE MOBILITY + SECURITY E3",
        sku::FLOW_FREE => "MICROSOFT POWER AUTOMATE FREE",
        sku::COPILOT => "MICROSOFT 365 COPILOT",
        sku::M365_E3_NO_TEAMS => "MICROSOFT 365 E3 (NO TEAMS)",
        sku::TEAMS => "MICROSOFT TEAMS ENTERPRISE",
        sku::UNATTENDED => "MICROSOFT 365 E3 - UNATTENDED LICENSE",
        sku::ROOMS => "MICROSOFT TEAMS ROOMS PRO",
        _ => "OTHER",
    }
}
