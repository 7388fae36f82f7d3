#!/usr/bin/env python3
"""What Medley asks of Qdrant's REST interface, answered by Qdrant's embedded engine: for tests where no server can be started.
   python qdrant_edge_server.py PORT FOLDER   (pip install qdrant-edge-py)"""
import json, os, sys, urllib.parse
from http.server import BaseHTTPRequestHandler, HTTPServer

import qdrant_edge as edge

SHARDS = {}


def config(vectors):
    datatype = {"float16": edge.VectorStorageDatatype.Float16, None: None}[vectors.get("datatype")]
    distance = {"Dot": edge.Distance.Dot, "Cosine": edge.Distance.Cosine}[vectors["distance"]]
    return edge.EdgeConfig(vectors=edge.EdgeVectorParams(size=vectors["size"], distance=distance, on_disk=vectors.get("on_disk"), datatype=datatype))


def condition(filter):
    if filter is None:
        return None
    [must] = filter["must"]
    return edge.Filter(must=[edge.HasIdCondition(set(must["has_id"]))])


def answer(method, path, body, folder):
    name, _, rest = path.removeprefix("/collections/").partition("/")
    place = os.path.join(folder, name)
    if method == "PUT" and not rest:
        os.makedirs(place)
        json.dump(body["vectors"], open(os.path.join(place, "..", name + ".json"), "w"))
        SHARDS[name] = edge.EdgeShard.create(place, config(body["vectors"])), body["vectors"]
        return True
    if name not in SHARDS and os.path.exists(place + ".json"):
        SHARDS[name] = edge.EdgeShard.load(place), json.load(open(place + ".json"))
    if name not in SHARDS:
        raise FileNotFoundError(f"Not found: Collection `{name}` doesn't exist!")
    shard, vectors = SHARDS[name]
    match method, rest:
        case "GET", "":
            return {"status": "green", "config": {"params": {"vectors": vectors}}}
        case "PUT", "points":
            shard.update(edge.UpdateOperation.upsert_points([edge.Point(point["id"], point["vector"]) for point in body["points"]]))
            return {"operation_id": 1, "status": "completed"}
        case "POST", "points/delete":
            shard.update(edge.UpdateOperation.delete_points(body["points"]))
            return {"operation_id": 1, "status": "completed"}
        case "POST", "points/count":
            return {"count": shard.count(edge.CountRequest(exact=body["exact"]))}
        case "POST", "points":
            return [{"id": point.id, "vector": point.vector} for point in shard.retrieve(body["ids"], with_payload=False, with_vector=True)]
        case "POST", "points/scroll":
            points, following = shard.scroll(edge.ScrollRequest(offset=body["offset"], limit=body["limit"], with_payload=False, with_vector=False))
            return {"points": [{"id": point.id} for point in points], "next_page_offset": following}
        case "POST", "points/query":
            request = edge.QueryRequest(limit=body["limit"], query=edge.Query.Nearest(body["query"]), filter=condition(body.get("filter")),
                                        params=edge.SearchParams(exact=body["params"]["exact"]), with_vector=False, with_payload=False)
            return {"points": [{"id": point.id, "version": point.version, "score": point.score} for point in shard.query(request)]}
    raise ValueError(f"{method} {path}")


class Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"

    def do(self):
        body = self.rfile.read(int(self.headers.get("Content-Length") or 0))
        try:
            path = urllib.parse.urlsplit(self.path).path
            status, reply = 200, {"result": answer(self.command, path, json.loads(body or b"null"), sys.argv[2]), "status": "ok", "time": 0}
        except FileNotFoundError as error:
            status, reply = 404, {"status": {"error": str(error)}, "time": 0}
        except Exception as error:
            status, reply = 400, {"status": {"error": f"{type(error).__name__}: {error}"}, "time": 0}
        reply = json.dumps(reply).encode()
        self.send_response(status)
        self.send_header("Content-Type", "application/json")
        self.send_header("Content-Length", str(len(reply)))
        self.end_headers()
        self.wfile.write(reply)

    do_GET = do_PUT = do_POST = do

    def log_message(self, *_):
        pass


HTTPServer(("127.0.0.1", int(sys.argv[1])), Handler).serve_forever()
