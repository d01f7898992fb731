//! One panel of a dashboard.

use serde_json::{Value, json};

/// What a panel asks.
enum Query {
    /// Prometheus, and what its series are called.
    Metric(String, String),
    /// Tempo, in TraceQL.
    Traces(String),
}

/// A panel, of which only what differs is said.
pub struct Panel {
    kind: &'static str,
    title: &'static str,
    about: &'static str,
    unit: &'static str,
    width: u64,
    height: u64,
    queries: Vec<Query>,
    steps: Vec<(f64, &'static str)>,
    links: Vec<Value>,
    content: String,
}

impl Panel {
    fn new(kind: &'static str, title: &'static str, about: &'static str) -> Self {
        Panel {
            kind,
            title,
            about,
            unit: "short",
            width: 8,
            height: 8,
            queries: Vec::new(),
            steps: Vec::new(),
            links: Vec::new(),
            content: String::new(),
        }
    }

    /// Lines over time.
    pub fn graph(title: &'static str, about: &'static str) -> Self {
        Self::new("timeseries", title, about)
    }

    /// One number, or a few.
    pub fn stat(title: &'static str, about: &'static str) -> Self {
        let mut panel = Self::new("stat", title, about);
        (panel.width, panel.height) = (4, 4);
        panel
    }

    /// A row for each series, with its labels.
    pub fn table(title: &'static str, about: &'static str) -> Self {
        Self::new("table", title, about)
    }

    /// Traces that a query finds.
    pub fn traces(title: &'static str, about: &'static str, query: String) -> Self {
        let mut panel = Self::new("table", title, about).width(24);
        panel.queries.push(Query::Traces(query));
        panel
    }

    /// A text in Markdown.
    pub fn text(title: &'static str, content: impl Into<String>) -> Self {
        let mut panel = Self::new("text", title, "").width(24);
        panel.height = 4;
        panel.content = content.into();
        panel
    }

    /// One more expression, and what its series are called.
    pub fn query(mut self, expression: impl Into<String>, legend: &str) -> Self {
        let query = Query::Metric(expression.into(), legend.to_owned());
        self.queries.push(query);
        self
    }

    /// The unit, by Grafana's id.
    pub fn unit(mut self, unit: &'static str) -> Self {
        self.unit = unit;
        self
    }

    /// Of 24 columns.
    pub fn width(mut self, width: u64) -> Self {
        self.width = width;
        self
    }

    /// Green below this, red from there on.
    pub fn red_from(mut self, value: f64) -> Self {
        self.steps.push((value, "red"));
        self
    }

    /// Red below this, green from there on.
    pub fn red_below(mut self, value: f64) -> Self {
        self.steps = vec![(f64::NEG_INFINITY, "red"), (value, "green")];
        self
    }

    /// Links to traces of the same time.
    pub fn traced(mut self, to: &str) -> Self {
        let url = format!("/d/leastwise-traces?{to}${{__url_time_range}}");
        self.links.push(link("Traces", &url));
        self
    }

    /// How many columns and lines it takes.
    pub fn size(&self) -> (u64, u64) {
        (self.width, self.height)
    }

    /// As Grafana has it, at a place.
    pub fn json(&self, id: u64, x: u64, y: u64) -> Value {
        let traces = self.queries.iter().any(|q| matches!(q, Query::Traces(_)));
        let source = if traces { tempo() } else { prometheus() };
        let mut panel = json!({
            "id": id,
            "type": self.kind,
            "title": self.title,
            "gridPos": {"h": self.height, "w": self.width, "x": x, "y": y},
            "fieldConfig": {"defaults": self.defaults(), "overrides": []},
            "options": self.options(),
        });
        if !self.about.is_empty() {
            panel["description"] = json!(self.about);
        }
        if !self.links.is_empty() {
            panel["links"] = json!(self.links);
        }
        if self.kind != "text" {
            panel["datasource"] = source;
            let queries = self.queries.iter().zip('A'..);
            panel["targets"] = queries.map(|(q, id)| self.target(q, id)).collect();
        }
        if self.kind == "table" && !traces {
            let hidden = json!({"Time": true});
            panel["transformations"] = json!([
                {"id": "organize", "options": {"excludeByName": hidden, "renameByName": {"Value": self.title}}}
            ]);
        }
        panel
    }

    fn target(&self, query: &Query, id: char) -> Value {
        match query {
            Query::Metric(expression, legend) => {
                let now = self.kind != "timeseries";
                let format = if self.kind == "table" {
                    "table"
                } else {
                    "time_series"
                };
                json!({
                    "refId": id.to_string(),
                    "datasource": prometheus(),
                    "expr": expression,
                    "legendFormat": legend,
                    "format": format,
                    "instant": now,
                    "range": !now,
                })
            }
            Query::Traces(query) => json!({
                "refId": id.to_string(),
                "datasource": tempo(),
                "queryType": "traceql",
                "query": query,
                "limit": 50,
                "tableType": "traces",
                "filters": [],
            }),
        }
    }

    fn defaults(&self) -> Value {
        if self.kind == "text" {
            return json!({});
        }
        let first = json!({"color": "green", "value": null});
        let steps = self.steps.iter().map(|(value, color)| {
            let value = value.is_finite().then_some(*value);
            json!({"color": color, "value": value})
        });
        let mut steps: Vec<Value> = steps.collect();
        if !steps.first().is_some_and(|step| step["value"].is_null()) {
            steps.insert(0, first);
        }
        let mut defaults = json!({
            "unit": self.unit,
            "thresholds": {"mode": "absolute", "steps": steps},
        });
        if self.kind == "timeseries" {
            let shown = if self.steps.is_empty() {
                "off"
            } else {
                "dashed"
            };
            defaults["color"] = json!({"mode": "palette-classic"});
            defaults["min"] = json!(0);
            defaults["custom"] = json!({
                "drawStyle": "line",
                "fillOpacity": 10,
                "lineWidth": 1,
                "showPoints": "never",
                "thresholdsStyle": {"mode": shown},
            });
        }
        defaults
    }

    fn options(&self) -> Value {
        match self.kind {
            "timeseries" => json!({
                "legend": {"displayMode": "table", "placement": "bottom", "showLegend": true, "calcs": ["lastNotNull", "max"]},
                "tooltip": {"mode": "multi", "sort": "desc"},
            }),
            "stat" => json!({
                "reduceOptions": {"calcs": ["lastNotNull"], "fields": "", "values": false},
                "orientation": "auto",
                "textMode": "auto",
                "wideLayout": true,
                "colorMode": "value",
                "graphMode": "none",
                "justifyMode": "auto",
                "showPercentChange": false,
                "percentChangeColorMode": "standard",
            }),
            "table" => json!({"frameIndex": 0, "showHeader": true}),
            _ => json!({"mode": "markdown", "content": self.content}),
        }
    }
}

/// A link to another page of Grafana's.
pub fn link(title: &str, url: &str) -> Value {
    json!({
        "title": title,
        "type": "link",
        "url": url,
        "icon": "external link",
        "tooltip": "",
        "tags": [],
        "asDropdown": false,
        "includeVars": false,
        "keepTime": false,
        "targetBlank": false,
    })
}

/// Where metrics are: chosen on the dashboard.
pub fn prometheus() -> Value {
    json!({"type": "prometheus", "uid": "${metrics}"})
}

fn tempo() -> Value {
    json!({"type": "tempo", "uid": "${traces}"})
}
