//! A tenant's users as a collector publishes them: every one different, a kilobyte each, two products, one of them through
//! a group; every twentieth account is disabled, so there are findings.

use anyhow::Result;
use proto::message::Body;
use proto::pages::v1::{PageFetched, PageRange, RunMode, RunSealed};

/// Objects of a page, as Graph has most.
const PAGE: usize = 999;
const SKUS: [(&str, &str); 2] = [
    ("06ebc4ee-1bb5-47dd-8120-11324bc54e06", "SPE_E5"),
    (
        "639dec6b-bb19-468b-871c-c5c441c4b0cb",
        "Microsoft_365_Copilot",
    ),
];
const TENANT: &str = "11111111-2222-3333-4444-555555555555";

/// What a run says of the tenant.
#[derive(Clone, Copy)]
pub(super) struct Run {
    /// Its number; later ones are higher.
    pub run: u64,
    /// The run that it builds upon; 0 for a full one.
    pub base: u64,
    /// Users of the tenant.
    pub users: usize,
    /// Every so many of them are on the pages.
    pub every: usize,
    /// Where they live, which is what changes.
    pub city: &'static str,
}

impl Run {
    /// Its pages, one after the other.
    pub fn pages(self) -> impl Iterator<Item = Result<Body>> {
        let named: Vec<usize> = (0..self.users).step_by(self.every).collect();
        (0..named.len().div_ceil(PAGE)).map(move |n| {
            let of = &named[n * PAGE..named.len().min((n + 1) * PAGE)];
            page(
                "users",
                self.run,
                self.mode(),
                n,
                &json(of, self.city),
                of.len(),
            )
        })
    }

    /// Its seal.
    pub fn seal(self) -> Result<Body> {
        let objects = self.users.div_ceil(self.every);
        seal("users", self, self.mode(), objects.div_ceil(PAGE), objects)
    }

    /// Its pages as Graph sent them.
    pub fn bodies(self) -> Vec<String> {
        let named: Vec<usize> = (0..self.users).step_by(self.every).collect();
        named.chunks(PAGE).map(|of| json(of, self.city)).collect()
    }

    fn mode(self) -> RunMode {
        match self.base {
            0 => RunMode::Full,
            _ => RunMode::Some,
        }
    }
}

/// The products that the users hold: a page and a seal.
pub(super) fn products(run: u64) -> Result<[Body; 2]> {
    let product = |(id, part_number): (&str, &str)| {
        format!(
            r#"{{"skuId":"{id}","skuPartNumber":"{part_number}","appliesTo":"User","consumedUnits":0,"prepaidUnits":{{"enabled":100}},"servicePlans":[]}}"#
        )
    };
    let json = format!("{{\"value\":[{}]}}", SKUS.map(product).join(","));
    let of = Run {
        run,
        base: 0,
        users: 0,
        every: 1,
        city: "",
    };
    let (dataset, mode) = ("subscribedSkus", RunMode::Full);
    Ok([
        page(dataset, run, mode, 0, &json, SKUS.len())?,
        seal(dataset, of, mode, 1, SKUS.len())?,
    ])
}

fn page(
    dataset: &str,
    run: u64,
    mode: RunMode,
    sequence: usize,
    json: &str,
    objects: usize,
) -> Result<Body> {
    Ok(Body::Page(PageFetched {
        tenant_id: TENANT.into(),
        dataset: dataset.into(),
        run,
        attempt: 1,
        sequence: u32::try_from(sequence)?,
        mode: mode.into(),
        body: zstd::bulk::compress(json.as_bytes(), 1)?,
        objects: u32::try_from(objects)?,
        ..PageFetched::default()
    }))
}

fn seal(dataset: &str, of: Run, mode: RunMode, pages: usize, objects: usize) -> Result<Body> {
    Ok(Body::Sealed(RunSealed {
        tenant_id: TENANT.into(),
        dataset: dataset.into(),
        run: of.run,
        base: of.base,
        attempt: 1,
        mode: mode.into(),
        pages: vec![PageRange {
            attempt: 1,
            first: 0,
            last: u32::try_from(pages)? - 1,
        }],
        objects: objects as u64,
        started_at: of.run,
        sealed_at: of.run,
        pool: super::ledger::POOL.into(),
        ..RunSealed::default()
    }))
}

fn json(of: &[usize], city: &str) -> String {
    let users: Vec<String> = of.iter().map(|i| user(*i, city)).collect();
    format!("{{\"value\":[{}]}}", users.join(","))
}

fn user(i: usize, city: &str) -> String {
    // Spread like Graph's ids: the ledger's index sees keys in random order.
    let id = (i as u64).wrapping_mul(0x9E37_79B9_7F4A_7C15);
    let [(a, _), (b, _)] = SKUS;
    let state = |sku, group| {
        format!(
            r#"{{"skuId":"{sku}","disabledPlans":[],"assignedByGroup":{group},"state":"Active","error":"None","lastUpdatedDateTime":"2026-01-01T00:00:00Z"}}"#
        )
    };
    format!(
        r#"{{"id":"{:08x}-1111-4222-8333-{:012x}","userPrincipalName":"person{i}@contoso.example","displayName":"Person {i}","givenName":"Person","surname":"Number {i}","mail":"person{i}@contoso.example","accountEnabled":{},"userType":"Member","employeeId":"{i}","employeeType":null,"department":"Department {}","companyName":"Contoso","jobTitle":"Engineer","officeLocation":"{}","city":"{city}","country":"Germany","usageLocation":"DE","createdDateTime":"2024-02-03T04:05:06Z","onPremisesSyncEnabled":true,"onPremisesSamAccountName":"person{i}","onPremisesDomainName":"corp.contoso.local","assignedLicenses":[{{"skuId":"{a}","disabledPlans":[]}},{{"skuId":"{b}","disabledPlans":["0feaeb32-d00e-4d66-bd5a-43b5b83db82c"]}}],"licenseAssignmentStates":[{},{}]}}"#,
        id >> 32,
        id & 0xffff_ffff,
        !i.is_multiple_of(20),
        i % 40,
        i % 100,
        state(a, "null"),
        state(b, "\"aaaaaaaa-1111-4222-8333-bbbbbbbbbbbb\"")
    )
}
