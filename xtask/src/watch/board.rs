//! A dashboard: panels that flow from left to right in rows with titles, and what can be chosen.

use serde_json::{Value, json};

use super::panel::{Panel, link, prometheus};

/// Grafana's grid.
const COLUMNS: u64 = 24;

/// A dashboard that is being put together.
pub struct Board {
    uid: &'static str,
    title: &'static str,
    about: &'static str,
    variables: Vec<Value>,
    panels: Vec<Value>,
    /// Where the next panel goes, and the height of this line of panels.
    at: (u64, u64, u64),
}

impl Board {
    /// An empty one.
    pub fn new(uid: &'static str, title: &'static str, about: &'static str) -> Self {
        let sources = [
            ("metrics", "Metrics", "prometheus"),
            ("traces", "Traces", "tempo"),
        ];
        let variables = sources.map(|(name, label, kind)| {
            json!({
                "name": name,
                "label": label,
                "type": "datasource",
                "query": kind,
                "refresh": 1,
                "regex": "",
                "multi": false,
                "includeAll": false,
                "hide": 0,
            })
        });
        Board {
            uid,
            title,
            about,
            variables: variables.into(),
            panels: Vec::new(),
            at: (0, 0, 0),
        }
    }

    /// Its name in links.
    pub fn uid(&self) -> &'static str {
        self.uid
    }

    /// Lets a value of a label be chosen, of those that a series has.
    pub fn choose(mut self, label: &'static str, series: &str) -> Self {
        let query = format!("label_values({series}, {label})");
        self.variables.push(json!({
            "name": label,
            "label": label,
            "type": "query",
            "datasource": prometheus(),
            "query": {"query": query, "refId": "values"},
            "refresh": 2,
            "sort": 1,
            "multi": true,
            "includeAll": true,
            "allValue": ".*",
            "current": {"text": "All", "value": "$__all"},
            "hide": 0,
        }));
        self
    }

    /// Lets a text be typed.
    pub fn ask(mut self, name: &'static str, usual: &'static str) -> Self {
        self.variables.push(json!({
            "name": name,
            "label": name,
            "type": "textbox",
            "query": usual,
            "current": {"text": usual, "value": usual},
            "hide": 0,
        }));
        self
    }

    /// Begins a row.
    pub fn row(mut self, title: &str) -> Self {
        let (_, y, line) = self.at;
        let y = y + line;
        let id = self.panels.len() + 1;
        self.panels.push(json!({
            "id": id,
            "type": "row",
            "title": title,
            "collapsed": false,
            "gridPos": {"h": 1, "w": COLUMNS, "x": 0, "y": y},
            "panels": [],
        }));
        self.at = (0, y + 1, 0);
        self
    }

    /// Puts a panel where there is room.
    pub fn panel(mut self, panel: Panel) -> Self {
        let (width, height) = panel.size();
        let (mut x, mut y, mut line) = self.at;
        if x + width > COLUMNS {
            (x, y, line) = (0, y + line, 0);
        }
        let id = self.panels.len() as u64 + 1;
        self.panels.push(panel.json(id, x, y));
        self.at = (x + width, y, line.max(height));
        self
    }

    /// Several panels.
    pub fn panels(self, panels: impl IntoIterator<Item = Panel>) -> Self {
        panels.into_iter().fold(self, Board::panel)
    }

    /// The file.
    pub fn text(&self) -> String {
        let mut others = link("Leastwise", "");
        others["type"] = json!("dashboards");
        others["tags"] = json!(["leastwise"]);
        others["asDropdown"] = json!(true);
        others["keepTime"] = json!(true);
        let board = json!({
            "uid": self.uid,
            "title": self.title,
            "description": self.about,
            "tags": ["leastwise"],
            "schemaVersion": 41,
            "editable": false,
            "graphTooltip": 1,
            "refresh": "30s",
            "time": {"from": "now-3h", "to": "now"},
            "timezone": "browser",
            "links": [others],
            "templating": {"list": self.variables},
            "annotations": {"list": []},
            "panels": self.panels,
        });
        format!("{board:#}\n")
    }
}
