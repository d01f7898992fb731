// Holds dashboards against Grafana's own types: node types.mjs DIRECTORY
//
// Each file becomes object literals of a program, which TypeScript checks: a field that Grafana doesn't know is an error as
// much as a value of another type. Prints what is wrong.

import { readFileSync, readdirSync } from "node:fs";
import { join } from "node:path";
import ts from "typescript";

const head = `
import type { DataQuery } from "@grafana/schema";
import type { Dashboard, Panel, RowPanel } from "./node_modules/@grafana/schema/dist/types/raw/dashboard/x/types.gen";
import type { TempoQuery } from "./node_modules/@grafana/schema/dist/types/raw/composable/tempo/dataquery/x/types.gen";
import type * as stat from "./node_modules/@grafana/schema/dist/types/raw/composable/stat/panelcfg/x/types.gen";
import type * as table from "./node_modules/@grafana/schema/dist/types/raw/composable/table/panelcfg/x/types.gen";
import type * as text from "./node_modules/@grafana/schema/dist/types/raw/composable/text/panelcfg/x/types.gen";
import type * as timeseries from "./node_modules/@grafana/schema/dist/types/raw/composable/timeseries/panelcfg/x/types.gen";
// A file holds what an enumeration's members are called; and a custom setting may be left out.
type Plain<T> = T extends string ? (string extends T ? string : \`\${T}\`)
  : T extends number | boolean | null | undefined ? T
  : T extends (infer E)[] ? Plain<E>[]
  : T extends object ? { [K in keyof T]: Plain<T[K]> } : T;
type Some<T> = T extends object ? { [K in keyof T]?: Some<T[K]> } : T;
// Grafana's schema has no type for Prometheus' queries any more: what Prometheus' data source reads.
interface PrometheusQuery extends DataQuery {
  expr: string; legendFormat?: string; format?: "time_series" | "table" | "heatmap"; instant?: boolean; range?: boolean;
}
`;

const [directory] = process.argv.slice(2);
const lines = [head];
const places = [];
let count = 0;

function hold(place, type, value) {
  places[lines.join("\n").split("\n").length] = place;
  lines.push(`const c${count++}: ${type} = ${JSON.stringify(value)};`);
}

const files = readdirSync(directory).filter((file) => file.endsWith(".json"));
for (const file of files) {
  const board = JSON.parse(readFileSync(join(directory, file), "utf8"));
  const { panels, ...rest } = board;
  hold(file, "Plain<Dashboard>", rest);
  for (const panel of panels) {
    const place = `${file}, panel ${panel.title}`;
    if (panel.type === "row") {
      hold(place, "Plain<RowPanel>", panel);
      continue;
    }
    hold(place, "Plain<Panel>", panel);
    hold(place, `Plain<${panel.type}.Options>`, panel.options);
    const custom = panel.fieldConfig.defaults.custom;
    if (custom) hold(place, `Some<Plain<${panel.type}.FieldConfig>>`, custom);
    for (const target of panel.targets ?? []) {
      const type = target.datasource.type === "tempo" ? "TempoQuery" : "PrometheusQuery";
      hold(place, `Plain<${type}>`, target);
    }
  }
}

const name = join(import.meta.dirname, "dashboards.ts");
const text = lines.join("\n");
const options = {
  strict: true,
  noEmit: true,
  skipLibCheck: true,
  target: ts.ScriptTarget.ES2022,
  module: ts.ModuleKind.ESNext,
  moduleResolution: ts.ModuleResolutionKind.Bundler,
  types: [],
};
const host = ts.createCompilerHost(options);
const { getSourceFile, fileExists } = host;
host.getSourceFile = (file, ...more) =>
  file === name ? ts.createSourceFile(file, text, options.target) : getSourceFile(file, ...more);
host.fileExists = (file) => file === name || fileExists(file);
const wrong = ts.getPreEmitDiagnostics(ts.createProgram([name], options, host));
for (const diagnostic of wrong) {
  const at = diagnostic.file?.getLineAndCharacterOfPosition(diagnostic.start).line;
  console.log(`${places[at] ?? "the program"}: ${ts.flattenDiagnosticMessageText(diagnostic.messageText, " ")}`);
}
console.log(`${files.length} dashboards, ${count} values, ${wrong.length} wrong`);
process.exit(wrong.length === 0 && count > files.length ? 0 : 1);
