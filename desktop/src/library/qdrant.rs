//! Vectors on a Qdrant server: for more photographs than one machine holds.
//!
//! Vectors are sent as 16 bits would keep them, so what is found is what the store in a folder finds, except that
//! Qdrant adds up in 32 bits.

use std::time::Duration;

use anyhow::{Context, Result, anyhow, bail};
use half::f16;
use serde_json::{Value, json};
use ureq::Agent;

use super::photo::ContentId;
use super::store::{Among, Scored, VectorStore, norm};

/// Vectors and ids of a request: some megabytes of JSON at the most, which every server takes.
const BATCH: usize = 1000;
/// Ids that a search is limited to in one request.
const ALLOWED: usize = 10_000;
/// The longest answer that is read.
const ANSWER_BYTES: u64 = 1 << 32;

/// A collection of a Qdrant server, which is made where there is none.
#[derive(Debug)]
pub struct QdrantStore {
    agent: Agent,
    collection: String,
    dimensions: usize,
}

impl QdrantStore {
    /// Opens a collection at an address such as `localhost:6333`.
    ///
    /// # Errors
    /// A server that does not answer, a collection of vectors of another length.
    pub fn open(address: &str, collection: &str, dimensions: usize) -> Result<Self> {
        let config = Agent::config_builder()
            .timeout_connect(Some(Duration::from_secs(10)))
            .timeout_global(Some(Duration::from_secs(300)))
            .http_status_as_error(false)
            .build();
        let collection = format!("http://{address}/collections/{collection}");
        let store = Self { agent: config.into(), collection, dimensions };
        match store.ask("GET", "", &Value::Null)? {
            Some(found) => {
                let size = &found["config"]["params"]["vectors"]["size"];
                if size.as_u64() != Some(dimensions as u64) {
                    bail!("{} has vectors of {size} numbers, not {dimensions}", store.collection);
                }
            }
            None => {
                // Asked to keep 16 bits, Qdrant rounds queries to 16, too, and finds others.
                let vectors = json!({ "size": dimensions, "distance": "Dot", "on_disk": true });
                store.ask("PUT", "", &json!({ "vectors": vectors }))?;
            }
        }
        Ok(store)
    }

    /// The answer's result; `None` for what is not there.
    fn ask(&self, method: &str, path: &str, body: &Value) -> Result<Option<Value>> {
        let url = format!("{}{path}", self.collection);
        let ask = || -> Result<(u16, String), ureq::Error> {
            let mut response = match method {
                "GET" => self.agent.get(&url).call()?,
                "PUT" => self.agent.put(&url).content_type("application/json").send(body.to_string())?,
                _ => self.agent.post(&url).content_type("application/json").send(body.to_string())?,
            };
            let text = response.body_mut().with_config().limit(ANSWER_BYTES).read_to_string()?;
            Ok((response.status().as_u16(), text))
        };
        let (status, text) = ask().with_context(|| format!("no answer from {url}: is Qdrant running there?"))?;
        let mut answer: Value = serde_json::from_str(&text).unwrap_or_default();
        match status {
            200..300 => Ok(Some(answer["result"].take())),
            404 => Ok(None),
            _ => bail!("{url} answered {status}: {}", answer["status"]["error"].as_str().unwrap_or(&text)),
        }
    }

    fn post(&self, path: &str, body: &Value) -> Result<Value> {
        self.ask("POST", path, body)?.with_context(|| format!("{} is gone: index again", self.collection))
    }

    fn check_length(&self, vector: &[f32]) -> Result<f64> {
        if vector.len() != self.dimensions {
            bail!("a vector of {} numbers does not fit a store of vectors of {}", vector.len(), self.dimensions);
        }
        norm(vector).context("a vector needs a direction: all its numbers are zero, or one is none")
    }

    /// The best among some contents, or among all.
    fn best(&self, query: &[f32], top: usize, only: Option<&[ContentId]>) -> Result<Vec<Scored>> {
        let mut body = json!({
            "query": query, "limit": top, "params": { "exact": true }, "with_payload": false, "with_vector": false,
        });
        if let Some(only) = only {
            body["filter"] = json!({ "must": [{ "has_id": only }] });
        }
        let found = self.post("/points/query", &body)?;
        let points = found["points"].as_array().with_context(|| misread(&found))?;
        let scored = |point: &Value| {
            let content = point["id"].as_i64().with_context(|| misread(point))?;
            let similarity = point["score"].as_f64().with_context(|| misread(point))? as f32;
            Ok(Scored { content, similarity })
        };
        points.iter().map(scored).collect()
    }
}

/// What to say of an answer in a form that Qdrant's documentation does not know.
fn misread(answer: &Value) -> String {
    let text: String = answer.to_string().chars().take(200).collect();
    format!("an answer of the server is not one of Qdrant's: {text}")
}

/// The id of a point, which Qdrant has from zero on.
fn point(content: ContentId) -> Result<u64> {
    u64::try_from(content).map_err(|_| anyhow!("Qdrant has no point {content}"))
}

impl VectorStore for QdrantStore {
    fn dimensions(&self) -> usize {
        self.dimensions
    }

    fn len(&self) -> usize {
        // A server that does not answer is heard of when something is asked for.
        let counted = self.post("/points/count", &json!({ "exact": true }));
        counted.ok().and_then(|counted| counted["count"].as_u64()).unwrap_or(0) as usize
    }

    fn upsert(&self, vectors: &[(ContentId, Vec<f32>)]) -> Result<()> {
        let mut points = Vec::with_capacity(vectors.len());
        for (content, vector) in vectors {
            let norm = self.check_length(vector)?;
            let kept = |x: &f32| f16::from_f32((f64::from(*x) / norm) as f32).to_f32();
            points.push(json!({ "id": point(*content)?, "vector": vector.iter().map(kept).collect::<Vec<f32>>() }));
        }
        for points in points.chunks(BATCH) {
            self.ask("PUT", "/points?wait=true", &json!({ "points": points }))?
                .with_context(|| format!("{} is gone: index again", self.collection))?;
        }
        Ok(())
    }

    fn delete(&self, contents: &[ContentId]) -> Result<()> {
        for contents in contents.chunks(ALLOWED) {
            let points: Vec<u64> = contents.iter().filter_map(|content| point(*content).ok()).collect();
            self.post("/points/delete?wait=true", &json!({ "points": points }))?;
        }
        Ok(())
    }

    fn vector(&self, content: ContentId) -> Result<Option<Vec<f32>>> {
        let Ok(id) = point(content) else { return Ok(None) };
        let found = self.post("/points", &json!({ "ids": [id], "with_vector": true, "with_payload": false }))?;
        let Some(numbers) = found[0]["vector"].as_array() else { return Ok(None) };
        let number = |number: &Value| number.as_f64().map(|number| number as f32).with_context(|| misread(&found));
        numbers.iter().map(number).collect::<Result<_>>().map(Some)
    }

    fn contents(&self) -> Result<Vec<ContentId>> {
        let mut contents = Vec::new();
        let mut offset = Value::Null;
        loop {
            let body = json!({ "limit": ALLOWED, "offset": offset, "with_payload": false, "with_vector": false });
            let mut found = self.post("/points/scroll", &body)?;
            let points = found["points"].as_array().with_context(|| misread(&found))?;
            for point in points {
                contents.push(point["id"].as_i64().with_context(|| misread(point))?);
            }
            offset = found["next_page_offset"].take();
            if offset.is_null() {
                contents.sort_unstable();
                return Ok(contents);
            }
        }
    }

    fn search(&self, query: &[f32], top: usize, among: Among<'_>) -> Result<Vec<Scored>> {
        let norm = self.check_length(query)?;
        let query: Vec<f32> = query.iter().map(|x| (f64::from(*x) / norm) as f32).collect();
        let mut found = Vec::new();
        match among {
            // Qdrant makes room for as many as are asked for.
            Among::All => match top.min(self.len()) {
                0 => {}
                top => found = self.best(&query, top, None)?,
            },
            Among::Only(contents) => {
                for contents in contents.chunks(ALLOWED) {
                    found.extend(self.best(&query, top.min(contents.len()), Some(contents))?);
                }
            }
        }
        found.sort_by(|a, b| b.similarity.total_cmp(&a.similarity).then(a.content.cmp(&b.content)));
        found.truncate(top);
        for scored in &mut found {
            scored.similarity = scored.similarity.clamp(-1.0, 1.0);
        }
        Ok(found)
    }
}
