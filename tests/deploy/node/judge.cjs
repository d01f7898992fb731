// Holds objects (a JSON array on standard input) of KEDA and cert-manager against the schemas of their makers. Prints JSON: how
// many were judged, and what is wrong.
const { readFileSync } = require("node:fs");

const MODELS = {
  "keda.sh/v1alpha1": "@kubernetes-models/keda/keda.sh/v1alpha1",
  "cert-manager.io/v1": "@kubernetes-models/cert-manager/cert-manager.io/v1",
};

let judged = 0;
const wrong = [];
for (const object of JSON.parse(readFileSync(0, "utf8"))) {
  const models = MODELS[object.apiVersion];
  if (!models) continue;
  judged += 1;
  const Model = require(models)[object.kind];
  try {
    new Model(object).validate();
  } catch (e) {
    wrong.push(`${object.kind} ${object.metadata.name}: ${e.message}`);
  }
}
console.log(JSON.stringify({ judged, wrong }));
