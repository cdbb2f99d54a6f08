"""The shop: takes an order, looks the price up in Redis and the quantity up at the stock service.

An ordinary program, one thread a connection. It knows nothing of tracing.
"""

import http.client
import http.server
import json
import os
import threading

import redis

PORT = int(os.environ["SHOP_PORT"])
STOCK_PORT = int(os.environ["STOCK_PORT"])

cache = redis.Redis(host="127.0.0.1", port=int(os.environ["REDIS_PORT"]))
local = threading.local()


def ask_stock(item):
    """Asks the stock service over this thread's connection, which stays open."""
    if not hasattr(local, "stock"):
        local.stock = http.client.HTTPConnection("127.0.0.1", STOCK_PORT, timeout=10)
    local.stock.request("GET", f"/stock/{item}")
    reply = local.stock.getresponse()
    body = reply.read()
    if reply.status != 200:
        raise RuntimeError(f"stock said {reply.status}")
    return json.loads(body)


class Handler(http.server.BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    disable_nagle_algorithm = True
    # Buffered, so that a reply's headers and body leave in one write.
    wbufsize = -1

    def do_GET(self):
        item = self.path.rsplit("/", 1)[-1]
        try:
            price = cache.get(f"price:{item}")
            stock = ask_stock(item)
            if price is None:
                price = 100 + sum(item.encode()) % 900
                cache.set(f"price:{item}", price)
            status, answer = 200, {"item": item, "price": int(price), "quantity": stock["quantity"]}
        except Exception as error:
            self.log_error("%r", error)
            status, answer = 502, {"error": repr(error)}
        body = json.dumps(answer).encode()
        self.send_response(status)
        self.send_header("Content-Type", "application/json")
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_request(self, *_):
        pass


class Server(http.server.ThreadingHTTPServer):
    request_queue_size = 1024


Server(("127.0.0.1", PORT), Handler).serve_forever()
