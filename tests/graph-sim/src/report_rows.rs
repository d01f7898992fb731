//! The rows of the usage reports.

use crate::device::{self, System};
use crate::guid::{self, Kind as Guid};
use crate::licence::assigned;
use crate::mailbox;
use crate::person::User;
use crate::property::Prop;
use crate::report_cell::Cell;
use crate::report_kind::Kind;
use crate::rng::mix;
use crate::tenant::Identity;
use crate::usage::{self, Service};
use crate::user_json;
use crate::world::{Life, World};

/// What a report is asked for.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Window {
    /// The day of which the report tells, relative to day 0.
    pub(crate) refreshed: i32,
    /// Days up to that one.
    pub(crate) period: i32,
    /// Only those who were active on this day.
    pub(crate) on: Option<i32>,
}

/// A user as a report sees it.
pub(crate) struct Subject<'a> {
    who: &'a Identity,
    world: &'a World,
    user: User,
    deleted: Option<u32>,
    window: Window,
}

/// The user at an index, if reports tell of it: who has a licence or a mailbox, deleted or not.
pub(crate) fn subject<'a>(
    who: &'a Identity,
    world: &'a World,
    index: u32,
    day: u32,
    window: Window,
) -> Option<Subject<'a>> {
    let user = world.known(index, day)?;
    let deleted = match world.life(index, day) {
        Life::Deleted(on) => Some(on),
        _ => None,
    };
    let told = assigned(&user.paths, user.orphan)
        .iter()
        .any(Option::is_some)
        || mailbox::purpose(who.key, &user).is_some();
    told.then_some(Subject {
        who,
        world,
        user,
        deleted,
        window,
    })
}

const GIGABYTE: u64 = 1 << 30;
/// The applications that are reported on.
const APPS: u64 = 6;

impl Subject<'_> {
    /// The rows of this user: one, except for activations.
    pub(crate) fn rows(&self, kind: Kind) -> Vec<Vec<Cell>> {
        let service = match kind {
            Kind::Activations => return self.activations(),
            Kind::Apps => Service::Apps,
            Kind::ActiveUsers => Service::Exchange,
            Kind::Teams | Kind::TeamsDevices => Service::Teams,
            Kind::OneDrive | Kind::OneDriveAccounts => Service::OneDrive,
            Kind::SharePoint => Service::SharePoint,
            Kind::Yammer => Service::Yammer,
            Kind::Copilot => Service::Copilot,
            _ => Service::Exchange,
        };
        let mailbox = matches!(kind, Kind::Email | Kind::EmailApps | Kind::Mailboxes);
        let inside = match kind {
            Kind::ActiveUsers => true,
            _ if mailbox => mailbox::purpose(self.who.key, &self.user).is_some(),
            _ => service.licensed(&self.user),
        };
        let on = self.window.on;
        if !inside || on.is_some_and(|day| self.last(service) != Some(day)) {
            return Vec::new();
        }
        vec![match kind {
            Kind::Apps => self.apps(),
            Kind::ActiveUsers => self.active(),
            Kind::Teams => self.teams(),
            Kind::TeamsDevices => self.teams_devices(),
            Kind::EmailApps => self.email_apps(),
            Kind::Mailboxes => self.mailbox(),
            Kind::OneDrive | Kind::SharePoint => self.files(service),
            Kind::OneDriveAccounts => self.account(),
            Kind::Yammer => self.yammer(),
            Kind::Copilot => self.copilot(),
            _ => self.email(),
        }]
    }

    /// The day of the last activity in a service.
    pub(crate) fn last(&self, service: Service) -> Option<i32> {
        // Nothing happens after a deletion.
        let day = self.deleted.map_or(self.window.refreshed, |on| {
            self.window.refreshed.min(on as i32)
        });
        service.last(self.who.key, &self.user, day)
    }

    pub(crate) fn licensed(&self, service: Service) -> bool {
        service.licensed(&self.user)
    }

    /// Whether a service was used within the window.
    pub(crate) fn active_in(&self, service: Service) -> bool {
        let start = self.window.refreshed - self.window.period;
        self.last(service).is_some_and(|last| last > start)
    }

    fn refreshed(&self) -> Cell {
        Cell::Date(Some(self.window.refreshed))
    }

    fn period(&self) -> Cell {
        Cell::Period(self.window.period)
    }

    fn upn(&self) -> Cell {
        Cell::Name(self.text(Prop::UserPrincipalName))
    }

    fn name(&self) -> Cell {
        Cell::Name(self.text(Prop::DisplayName))
    }

    fn id(&self) -> Cell {
        let id = guid::of(self.who.key, Guid::User, u64::from(self.user.index));
        Cell::Id(guid::text(id))
    }

    fn gone(&self) -> [Cell; 2] {
        let day = self.deleted.map(|on| on as i32);
        [Cell::Flag(day.is_some()), Cell::Date(day)]
    }

    fn products(&self) -> Cell {
        let held = assigned(&self.user.paths, self.user.orphan);
        let names = held.iter().zip(0_u8..).filter(|(off, _)| off.is_some());
        Cell::Products(names.map(|(_, sku)| usage::product(sku)).collect())
    }

    fn count(&self, service: Service, week: u64) -> Cell {
        let Window {
            refreshed, period, ..
        } = self.window;
        Cell::Number(service.count(self.who.key, &self.user, refreshed, period, week))
    }

    fn draw(&self, what: u64) -> u64 {
        mix(
            self.who.key ^ 0x4e50,
            u64::from(self.user.index) << 8 | what,
        )
    }

    fn text(&self, prop: Prop) -> String {
        let mut out = Vec::with_capacity(60);
        if !user_json::value(&mut out, self.who, &self.user, prop as u8) {
            return String::new();
        }
        serde_json::from_slice(&out).unwrap_or_default()
    }

    fn email(&self) -> Vec<Cell> {
        let mut row = vec![self.refreshed(), self.upn(), self.name()];
        row.extend(self.gone());
        row.push(Cell::Date(self.last(Service::Exchange)));
        row.extend([40, 300, 200, 8, 12].map(|week| self.count(Service::Exchange, week)));
        row.extend([self.products(), self.period()]);
        row
    }

    fn email_apps(&self) -> Vec<Cell> {
        let mut row = vec![self.refreshed(), self.upn(), self.name()];
        row.extend(self.gone());
        row.push(Cell::Date(self.last(Service::Exchange)));
        let active = self.active_in(Service::Exchange);
        let draw = self.draw(1);
        row.extend((0..9).map(|app| {
            Cell::Yes(active && draw >> (app * 4) & 15 < [1, 1, 9, 8, 1, 11, 0, 1, 0][app])
        }));
        row.push(self.period());
        row
    }

    fn mailbox(&self) -> Vec<Cell> {
        let draw = self.draw(2);
        let items = draw % 90_000;
        let mut row = vec![self.refreshed(), self.upn(), self.name()];
        row.extend(self.gone());
        row.extend([
            Cell::Date(Some(self.user.created)),
            Cell::Date(self.last(Service::Exchange)),
            Cell::Number(items),
            Cell::Number(items * 75_000),
            Cell::Number(98 * GIGABYTE),
            Cell::Number(99 * GIGABYTE),
            Cell::Number(100 * GIGABYTE),
            Cell::Number(items / 9),
            Cell::Number(items / 9 * 60_000),
            Cell::Number(30 * GIGABYTE),
            Cell::Flag(draw.is_multiple_of(5)),
            self.period(),
        ]);
        row
    }

    fn files(&self, service: Service) -> Vec<Cell> {
        let mut row = vec![self.refreshed(), self.upn()];
        row.extend(self.gone());
        row.push(Cell::Date(self.last(service)));
        row.extend([30, 20, 3, 0].map(|week| self.count(service, week)));
        if service == Service::SharePoint {
            row.push(self.count(service, 25));
        }
        row.extend([self.products(), self.period()]);
        row
    }

    fn account(&self) -> Vec<Cell> {
        let draw = self.draw(3);
        let files = draw % 9_000;
        let personal = self.text(Prop::UserPrincipalName).replace(['@', '.'], "_");
        let host = self.who.domain.split('.').next().unwrap_or("contoso");
        vec![
            self.refreshed(),
            Cell::Id(guid::text(guid::of(self.who.key, Guid::SignIn, draw >> 8))),
            Cell::Url(format!(
                "https://{host}-my.sharepoint.com/personal/{personal}"
            )),
            self.name(),
            Cell::Flag(self.deleted.is_some()),
            Cell::Date(self.last(Service::OneDrive)),
            Cell::Number(files),
            self.count(Service::OneDrive, 40),
            Cell::Number(files * 1_300_000),
            Cell::Number(1_024 * GIGABYTE),
            self.upn(),
            self.period(),
        ]
    }

    fn yammer(&self) -> Vec<Cell> {
        let state = match self.deleted {
            Some(_) => "deleted",
            None if !self.user.enabled => "suspended",
            None => "active",
        };
        let mut row = vec![self.refreshed(), self.upn(), self.name()];
        row.extend([
            Cell::Text(state.to_owned()),
            Cell::Date(self.deleted.map(|on| on as i32)),
            Cell::Date(self.last(Service::Yammer)),
        ]);
        row.extend([2, 30, 3].map(|week| self.count(Service::Yammer, week)));
        row.extend([self.products(), self.period()]);
        row
    }

    fn active(&self) -> Vec<Cell> {
        const ORDER: [Service; 6] = [
            Service::Exchange,
            Service::OneDrive,
            Service::SharePoint,
            Service::Skype,
            Service::Yammer,
            Service::Teams,
        ];
        let mut row = vec![self.refreshed(), self.upn(), self.name()];
        row.extend(self.gone());
        row.extend(ORDER.map(|s| Cell::Flag(s.licensed(&self.user))));
        row.extend(ORDER.map(|s| Cell::Date(self.last(s))));
        row.extend(ORDER.map(|s| Cell::Date(s.licensed_since(&self.user))));
        row.push(self.products());
        row
    }

    fn teams(&self) -> Vec<Cell> {
        let n = |week| self.count(Service::Teams, week);
        let minutes = |cell: &Cell| match cell {
            Cell::Number(n) => n * 900,
            _ => 0,
        };
        let meetings = n(12);
        let [audio, video, screen] = [1, 2, 4].map(|part| minutes(&meetings) / part);
        let mut row = vec![
            self.refreshed(),
            self.id(),
            self.upn(),
            Cell::Date(self.last(Service::Teams)),
        ];
        row.extend(self.gone());
        row.push(self.products());
        row.extend([15, 60, 6].map(n));
        row.push(meetings);
        row.extend([2, 9, 1, 3, 1, 4, 2, 5].map(n));
        row.extend([audio, video, screen].map(Cell::Duration));
        row.extend([audio, video, screen].map(Cell::Number));
        row.extend([
            Cell::Yes(self.draw(4).is_multiple_of(3)),
            n(0),
            n(3),
            Cell::Name(self.who.name.clone()),
            Cell::Text(String::new()),
            n(2),
            Cell::Yes(Service::Teams.licensed(&self.user)),
            self.period(),
        ]);
        row
    }

    fn teams_devices(&self) -> Vec<Cell> {
        let active = self.active_in(Service::Teams);
        let has = |system: System| active && self.devices(system) > 0;
        let mut row = vec![
            self.refreshed(),
            self.id(),
            self.upn(),
            Cell::Date(self.last(Service::Teams)),
        ];
        row.extend(self.gone());
        row.extend([
            Cell::Yes(active && self.draw(5).is_multiple_of(2)),
            Cell::Yes(false),
            Cell::Yes(has(System::Ios)),
            Cell::Yes(has(System::Mac)),
            Cell::Yes(has(System::Android)),
            Cell::Yes(has(System::Windows)),
            Cell::Yes(false),
            Cell::Yes(false),
            Cell::Yes(Service::Teams.licensed(&self.user)),
            self.period(),
        ]);
        row
    }

    fn devices(&self, system: System) -> u64 {
        let devices = device::of_user(self.world, self.user.index, self.user.day);
        devices
            .filter(|d| d.system == system && !d.duplicate)
            .count() as u64
    }

    /// Flags by application: any platform, then Windows, Mac, mobile and web.
    fn apps(&self) -> Vec<Cell> {
        let active = self.active_in(Service::Apps);
        let draw = self.draw(6);
        let platforms = [
            self.devices(System::Windows) > 0,
            self.devices(System::Mac) > 0,
            self.devices(System::Ios) + self.devices(System::Android) > 0,
            draw.is_multiple_of(4),
        ];
        let used = |app: u64, platform: usize| {
            let likely = [14, 11, 11, 7, 5, 14][app as usize];
            let roll = mix(draw, app << 4 | platform as u64) & 15;
            active && platforms[platform] && roll < likely
        };
        let platform = |p: usize| (0..APPS).any(|app| used(app, p));
        let activated = self.last(Service::Apps).map(|_| {
            let since = Service::Apps.licensed_since(&self.user);
            since.unwrap_or(self.user.created).max(self.user.created)
        });
        let mut row = vec![
            self.refreshed(),
            self.upn(),
            Cell::Date(activated),
            Cell::Date(self.last(Service::Apps)),
            self.period(),
        ];
        row.extend((0..4).map(|p| Cell::Yes(platform(p))));
        row.extend((0..APPS).map(|app| Cell::Yes((0..4).any(|p| used(app, p)))));
        for p in 0..4 {
            row.extend((0..APPS).map(|app| Cell::Yes(used(app, p))));
        }
        row
    }

    fn copilot(&self) -> Vec<Cell> {
        let last = self.last(Service::Copilot);
        let draw = self.draw(7);
        let mut row = vec![self.refreshed(), self.upn(), self.name(), Cell::Date(last)];
        let one = |app: u64| {
            let used = draw >> (app * 4) & 15 < [12, 9, 5, 3, 3, 7, 1, 1][app as usize];
            Cell::Date(last.filter(|_| used).map(|l| l - app as i32))
        };
        row.extend((0..8).map(one));
        row.push(self.period());
        row
    }

    /// Products that are installed and activated, each with its devices.
    pub(crate) fn activated(&self) -> Vec<(&'static str, Option<i32>, [u64; 4])> {
        use crate::catalog::sku;
        let held = assigned(&self.user.paths, self.user.orphan);
        let has = |sku: u8| held[usize::from(sku)].is_some();
        let mut products = Vec::new();
        if Service::Apps.licensed(&self.user) {
            products.push(("MICROSOFT 365 APPS FOR ENTERPRISE", 8));
        }
        if has(sku::VISIO) {
            products.push(("VISIO CLIENT", 5));
        }
        if has(sku::PROJECT) {
            products.push(("PROJECT CLIENT", 6));
        }
        let last = self.last(Service::Apps);
        let since = Service::Apps.licensed_since(&self.user);
        let one = |(name, likely): (&'static str, u64)| {
            let draw = self.draw(9 + likely);
            let day = last.filter(|_| draw % 10 < likely);
            let day = day.map(|l| since.unwrap_or(self.user.created).min(l));
            let n = |system: System| {
                if day.is_some() {
                    self.devices(system)
                } else {
                    0
                }
            };
            let counts = [System::Windows, System::Mac, System::Ios, System::Android].map(n);
            (name, day, counts)
        };
        products.into_iter().map(one).collect()
    }

    fn activations(&self) -> Vec<Vec<Cell>> {
        let shared = |day: Option<i32>| !self.user.desk && day.is_some();
        let one = |(name, day, [windows, mac, ios, android]): (&str, Option<i32>, [u64; 4])| {
            vec![
                self.refreshed(),
                self.upn(),
                self.name(),
                Cell::Text(name.to_owned()),
                Cell::Date(day),
                Cell::Number(windows),
                Cell::Number(mac),
                Cell::Number(0),
                Cell::Number(ios),
                Cell::Number(android),
                Cell::Flag(shared(day)),
            ]
        };
        self.activated().into_iter().map(one).collect()
    }
}
