//! What a request for users asks for, checked against what Graph has: `$filter`, `$search`, `$orderby`, `$expand`.

use std::borrow::Cow;
use std::sync::Arc;

use serde_json::Value;

use crate::catalog;
use crate::filter::{Expr, Function, Mode, Record, Rules, Val};
use crate::graph::Call;
use crate::guid::{self, Kind};
use crate::licence::assigned;
use crate::order::{Order, Sorted};
use crate::person::User;
use crate::property::{self, Prop, Select};
use crate::query::{self, Query};
use crate::range::Range;
use crate::reply::Failure;
use crate::sealed;
use crate::tenant::Identity;
use crate::user_json;

/// Properties that are read from the reporting store.
const SIGN_IN: &str = "signInActivity";
/// A page with sign-ins holds at most as many users.
const MOST_WITH_SIGN_IN: u16 = 500;
const RULES: Rules = Rules {
    kind: "user",
    has: |name| property::number(name).is_some(),
};

/// A checked request for users.
pub(crate) struct Ask {
    pub(crate) select: Select,
    pub(crate) top: u16,
    pub(crate) mode: Mode,
    filter: Option<Expr>,
    order: Option<Order>,
    /// Stands in links, so that they fit no other query.
    pub(crate) bind: u64,
    /// Whether Graph loses the place of this query after its first page.
    pub(crate) forgets: bool,
}

/// The users that a request names, by index.
pub(crate) enum Hits {
    All,
    /// Ascending.
    Ids(Vec<u32>),
    /// Ascending, of a range of addresses.
    Range(Vec<u32>),
    Matching(Matcher),
    Sorted(Sorted),
}

impl Ask {
    /// Reads and checks a list of users.
    pub(crate) fn read(call: &Call, query: &Query) -> Result<Self, Failure> {
        Self::checked(call, query, call.asked.eventual && query.count)
    }

    /// The same for `$count`, which is an advanced query by itself.
    pub(crate) fn read_count(call: &Call, query: &Query) -> Result<Self, Failure> {
        let ask = Self::checked(call, query, true)?;
        if ask.filter.as_ref().is_some_and(asks_sign_in) {
            // The directory asks the reporting store to count, which it can't.
            return Err(Failure::new(502, "UnknownError", "Bad Gateway"));
        }
        Ok(ask)
    }

    fn checked(call: &Call, query: &Query, advanced: bool) -> Result<Self, Failure> {
        let select = query.user_select()?;
        let top = query.user_top()?.min(call.sim.config().page_limit());
        query::check_collection(select, call.roles)?;
        let mode = if advanced {
            Mode::Advanced
        } else {
            Mode::Plain
        };
        let mut filter = query.filter.as_deref().map(Expr::parse).transpose()?;
        if let Some(expr) = &filter {
            RULES.check(expr, mode)?;
        }
        let signed_in = select.has(SIGN_IN) || filter.as_ref().is_some_and(asks_sign_in);
        if signed_in {
            check_sign_in(call, filter.as_ref(), top)?;
        }
        let order = query.order.as_deref().map(Order::parse).transpose()?;
        if let Some(order) = &order {
            RULES.check_order(&order.name, filter.is_some(), mode)?;
        }
        if let Some(expand) = &query.expand {
            if mode == Mode::Advanced || query.search.is_some() {
                return Err(Failure::unsupported(
                    "'$expand' is not supported together with the advanced query parameters.",
                ));
            }
            check_expand(expand)?;
        }
        let forgets = mode == Mode::Plain && filter.as_ref().is_some_and(asks_licences);
        if let Some(search) = &query.search {
            let found = search_expr(search, call.asked.eventual)?;
            filter = Some(match filter {
                Some(expr) => Expr::And(vec![expr, found]),
                None => found,
            });
        }
        let mut ask = Self {
            select,
            top,
            mode,
            filter,
            order,
            bind: 0,
            forgets,
        };
        ask.bind = ask.binding(query, call.asked.eventual);
        Ok(ask)
    }

    /// A hash of all that decides which users come in which order; the header counts where it decides too.
    fn binding(&self, query: &Query, eventual: bool) -> u64 {
        let parts = [&query.filter, &query.search, &query.order, &query.expand];
        if parts.iter().all(|p| p.is_none()) {
            return 0;
        }
        let text: Vec<&str> = parts
            .iter()
            .map(|p| p.as_deref().unwrap_or("\u{0}"))
            .collect();
        let header = if eventual { "eventual" } else { "" };
        sealed::digest(&format!(
            "{}\u{1}{header}\u{1}{}",
            text.join("\u{1}"),
            query.count
        ))
    }

    /// Which users are meant, and how many they are if that is known without looking at all.
    pub(crate) fn hits(&self, call: &Call) -> Result<Hits, Failure> {
        let matcher = Matcher::new;
        if let Some(order) = &self.order {
            let all = order.sorted(call);
            return Ok(Hits::Sorted(match &self.filter {
                Some(expr) => {
                    let matcher = matcher(expr);
                    all.iter()
                        .copied()
                        .filter(|i| matcher.matches(call, *i))
                        .collect()
                }
                None => all,
            }));
        }
        let Some(expr) = &self.filter else {
            return Ok(Hits::All);
        };
        match expr.ids() {
            Some(ids) => by_ids(call, &ids).map(Hits::Ids),
            None => Ok(match Range::of(expr, call) {
                // The index may know less than the objects that are shown.
                Some(range) => Hits::Range(range.living(call, call.indexed.min(call.day))),
                None => Hits::Matching(matcher(expr)),
            }),
        }
    }
}

impl Hits {
    pub(crate) fn count(&self, call: &Call) -> u32 {
        match self {
            Self::All => call.world.live(call.day),
            Self::Ids(ids) | Self::Range(ids) => ids.len() as u32,
            Self::Matching(matcher) => (0..call.world.limit(call.day))
                .filter(|i| matcher.matches(call, *i))
                .count() as u32,
            Self::Sorted(sorted) => sorted.len() as u32,
        }
    }
}

/// A filter that is asked of many users.
pub(crate) struct Matcher {
    expr: Expr,
    names: Arc<[(String, u8)]>,
}

impl Matcher {
    fn new(expr: &Expr) -> Self {
        let mut names = Vec::new();
        expr.properties(&mut |name| {
            let root = name.split('/').next().unwrap_or(name);
            if let Some(number) = property::number(root) {
                names.push((name.to_owned(), number));
            }
        });
        Self {
            expr: expr.clone(),
            names: names.into(),
        }
    }

    /// Whether the user lives and matches, as far as the index knows.
    pub(crate) fn matches(&self, call: &Call, index: u32) -> bool {
        // The index may know less than the objects that are shown.
        let day = call.indexed.min(call.day);
        call.world.user(index, day).is_some_and(|user| {
            self.expr.matches(&Row {
                who: call.who,
                user: &user,
                names: &self.names,
            })
        })
    }
}

/// A user as a filter sees it.
pub(crate) struct Row<'a> {
    pub(crate) who: &'a Identity,
    pub(crate) user: &'a User,
    /// The numbers of the properties that are asked for.
    pub(crate) names: &'a [(String, u8)],
}

impl Row<'_> {
    fn json(&self, path: &str) -> Option<Vec<u8>> {
        let number = self.names.iter().find(|(name, _)| name == path)?.1;
        let mut out = Vec::with_capacity(64);
        user_json::value(&mut out, self.who, self.user, number).then_some(out)
    }
}

impl Record for Row<'_> {
    fn value(&self, path: &str) -> Val<'_> {
        let Some(json) = self.json(path) else {
            return Val::Null;
        };
        if let Some((_, below)) = path.split_once('/') {
            let object: Value = serde_json::from_slice(&json).unwrap_or_default();
            return owned(object.value(below));
        }
        let plain = json
            .strip_prefix(b"\"")
            .and_then(|j| j.strip_suffix(b"\""))
            .filter(|inner| !inner.contains(&b'\\'));
        if let Some(text) = plain {
            return Val::Text(Cow::Owned(String::from_utf8_lossy(text).into_owned()));
        }
        match serde_json::from_slice(&json) {
            Ok(Value::Bool(b)) => Val::Bool(b),
            Ok(Value::String(text)) => Val::Text(Cow::Owned(text)),
            Ok(Value::Number(n)) => n.as_i64().map_or(Val::Null, Val::Number),
            _ => Val::Null,
        }
    }

    fn items(&self, path: &str) -> Vec<Value> {
        if path.eq_ignore_ascii_case("assignedLicenses") {
            let held = assigned(&self.user.paths, self.user.orphan);
            let held = held.iter().enumerate().filter(|(_, off)| off.is_some());
            return held
                .map(|(sku, _)| serde_json::json!({ "skuId": catalog::get(sku as u8).id }))
                .collect();
        }
        self.json(path)
            .and_then(|json| serde_json::from_slice(&json).ok())
            .unwrap_or_default()
    }
}

fn owned(value: Val) -> Val<'static> {
    match value {
        Val::Null => Val::Null,
        Val::Bool(b) => Val::Bool(b),
        Val::Number(n) => Val::Number(n),
        Val::Text(text) => Val::Text(Cow::Owned(text.into_owned())),
    }
}

/// The user with this id, if it lives.
pub(crate) fn find(call: &Call, guid: u128) -> Option<User> {
    let index = guid::index(call.who.key, Kind::User, guid)?;
    call.world.user(u32::try_from(index).ok()?, call.day)
}

/// The indices of the users that are named and live; the others are silently left out.
fn by_ids(call: &Call, ids: &[&str]) -> Result<Vec<u32>, Failure> {
    let mut found = Vec::with_capacity(ids.len());
    for id in ids {
        let guid = guid::parse(id).ok_or_else(|| {
            Failure::bad(format!(
                "Invalid filter clause: '{id}' is not a valid GUID."
            ))
        })?;
        found.extend(find(call, guid).map(|u| u.index));
    }
    found.sort_unstable();
    found.dedup();
    Ok(found)
}

fn asks(expr: &Expr, root: &str) -> bool {
    let mut found = false;
    expr.properties(&mut |name| {
        let first = name.split('/').next().unwrap_or(name);
        found |= first.eq_ignore_ascii_case(root);
    });
    found
}

fn asks_sign_in(expr: &Expr) -> bool {
    asks(expr, SIGN_IN)
}

fn asks_licences(expr: &Expr) -> bool {
    asks(expr, "assignedLicenses")
}

/// Sign-ins need a permission and a licence of their own, come in smaller pages and are filtered alone.
fn check_sign_in(call: &Call, filter: Option<&Expr>, top: u16) -> Result<(), Failure> {
    query::check_collection(Select::of_name(SIGN_IN), call.roles)?;
    premium(call)?;
    if top > MOST_WITH_SIGN_IN {
        return Err(Failure::unsupported(format!(
            "Invalid page size specified: '{top}'. Must be between 1 and {MOST_WITH_SIGN_IN} inclusive."
        )));
    }
    let mut mixed = false;
    if let Some(expr) = filter.filter(|e| asks_sign_in(e)) {
        expr.properties(&mut |name| mixed |= !name.starts_with(SIGN_IN));
    }
    if mixed {
        return Err(Failure::unsupported(
            "Filter not supported: 'signInActivity' can't be combined with other properties.",
        ));
    }
    Ok(())
}

/// Refuses where the tenant has no Entra ID P1 or P2.
pub(crate) fn premium(call: &Call) -> Result<(), Failure> {
    if !call.sim.config().without_premium.contains(&call.tenant) {
        return Ok(());
    }
    Err(Failure::new(
        403,
        "Authentication_RequestFromNonPremiumTenantOrB2CTenant",
        "Neither tenant is B2C or tenant doesn't have premium license",
    ))
}

/// One relation at a time; here it is the manager.
pub(crate) fn check_expand(expand: &str) -> Result<(), Failure> {
    const RELATIONS: [&str; 12] = [
        "manager",
        "directReports",
        "memberOf",
        "transitiveMemberOf",
        "ownedObjects",
        "ownedDevices",
        "registeredDevices",
        "createdObjects",
        "appRoleAssignments",
        "oauth2PermissionGrants",
        "licenseDetails",
        "extensions",
    ];
    let mut depth = 0;
    let several = expand.chars().any(|c| {
        depth += i32::from(c == '(') - i32::from(c == ')');
        c == ',' && depth == 0
    });
    if several {
        return Err(Failure::unsupported(
            "Expanding more than one relation is not supported.",
        ));
    }
    let name = expand.split('(').next().unwrap_or(expand).trim();
    if !RELATIONS.contains(&name) {
        return Err(query::unknown_property(name, "user"));
    }
    if name != "manager" {
        return Err(Failure::unsupported(format!(
            "The simulator has no '$expand={name}' on users."
        )));
    }
    Ok(())
}

/// `"displayName:ann" AND "mail:x"`: words of a name start with the text, other properties do.
fn search_expr(search: &str, eventual: bool) -> Result<Expr, Failure> {
    const SEARCHABLE: [&str; 7] = [
        "displayName",
        "mail",
        "userPrincipalName",
        "givenName",
        "surname",
        "mailNickname",
        "otherMails",
    ];
    if !eventual {
        return Err(Failure::unsupported(
            "Request with $search query parameter only works through MSGraph with a special request header: 'ConsistencyLevel: eventual'",
        ));
    }
    let wrong = || {
        let message = format!(
            "Syntax error in the $search expression '{search}': clauses are '\"property:text\"'."
        );
        Failure::new(400, "BadRequest", message)
    };
    let mut any = Vec::new();
    for alternative in search.split(" OR ") {
        let mut all = Vec::new();
        for clause in alternative.split(" AND ") {
            let inner = clause
                .trim()
                .strip_prefix('"')
                .and_then(|c| c.strip_suffix('"'));
            let (name, text) = inner.and_then(|c| c.split_once(':')).ok_or_else(wrong)?;
            if property::number(name).is_none() {
                return Err(query::unknown_property(name, "user"));
            }
            let known = SEARCHABLE.iter().find(|s| s.eq_ignore_ascii_case(name));
            let name = known.ok_or_else(|| {
                Failure::unsupported(format!("Unsupported property '{name}' in $search."))
            })?;
            let (name, text) = ((*name).to_owned(), text.to_lowercase());
            let starts = Expr::Call(Function::StartsWith, name.clone(), text.clone());
            all.push(if name == "displayName" {
                let within = Expr::Call(Function::Contains, name, format!(" {text}"));
                Expr::Or(vec![starts, within])
            } else {
                starts
            });
        }
        any.push(Expr::And(all));
    }
    Ok(Expr::Or(any))
}

/// The properties that `User.ReadBasic.All` shows.
pub(crate) const BASIC: Select = Select::BASIC;

/// The user whose `userPrincipalName` this is. It ends with the index, so nobody is searched for.
pub(crate) fn by_name(call: &Call, upn: &str) -> Option<User> {
    let (nickname, domain) = upn.rsplit_once('@')?;
    if !domain.eq_ignore_ascii_case(&call.who.domain) {
        return None;
    }
    let local = nickname.split('_').next()?;
    let digits = local.trim_start_matches(|c: char| !c.is_ascii_digit());
    let user = call.world.user(digits.parse().ok()?, call.day)?;
    let mut name = Vec::new();
    user_json::value(&mut name, call.who, &user, Prop::UserPrincipalName as u8);
    let name = String::from_utf8(name).ok()?;
    name.trim_matches('"')
        .eq_ignore_ascii_case(upn)
        .then_some(user)
}
