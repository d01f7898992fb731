// What both scripts share: where the simulator is, its truth, and how a check is told.

export const ready = JSON.parse(process.env.GRAPH_SIM);
export const tenant = ready.tenants[0];
export const SCOPE = "https://graph.microsoft.com/.default";

export async function control(path, method = "GET", body = undefined) {
  const answer = await fetch(`${ready.control}/${path}`, {
    method,
    headers: { "content-type": "application/json" },
    body: body && JSON.stringify(body),
  });
  if (!answer.ok) throw new Error(`${path}: ${answer.status} ${await answer.text()}`);
  return answer.text();
}

// The objects that really exist, by id.
export async function truth(kind) {
  const text = await control(`truth?tenant=0&kind=${kind}`);
  const objects = text.split("\n").filter(Boolean).map((line) => JSON.parse(line));
  return new Map(objects.map((each) => [each.id, each]));
}

// Both are ids; a list may not hold one twice.
export function same(what, got, wanted) {
  const there = new Set(got);
  const twice = got.length - there.size;
  const expected = new Set(wanted);
  const missing = [...expected].filter((id) => !there.has(id));
  const extra = [...there].filter((id) => !expected.has(id));
  if (twice || missing.length || extra.length) {
    const some = [...missing, ...extra].slice(0, 3);
    throw new Error(`${what}: ${twice} twice, ${missing.length} missing, ${extra.length} too many, such as ${some}`);
  }
}

// One line for each check, which `cargo xtask clients` counts.
export async function check(name, work) {
  try {
    await work();
    console.log(`ok - ${name}`);
  } catch (error) {
    console.log(`not ok - ${name}`);
    console.error(error);
    process.exitCode = 1;
  }
}
