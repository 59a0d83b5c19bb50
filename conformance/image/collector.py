"""Takes OTLP over HTTPS and appends what it gets to a file: collector.py CERTIFICATE KEY FILE. Its port is in FILE.port."""

import http.server
import ssl
import sys

certificate, key, path = sys.argv[1:]


class Take(http.server.BaseHTTPRequestHandler):
    def do_POST(self):
        body = self.rfile.read(int(self.headers["Content-Length"]))
        with open(path, "ab") as file:
            file.write(body)
        self.send_response(200)
        self.send_header("Content-Length", "0")
        self.end_headers()

    def log_message(self, *_):
        pass


class Server(http.server.ThreadingHTTPServer):
    def handle_error(self, *_):
        """Whoever does not trust the certificate goes away."""


server = Server(("0.0.0.0", 0), Take)
context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
context.load_cert_chain(certificate, key)
# Each connection's handshake is its own thread's business.
server.socket = context.wrap_socket(server.socket, server_side=True, do_handshake_on_connect=False)
with open(path + ".port", "w", encoding="ascii") as file:
    file.write(str(server.server_address[1]))
server.serve_forever()
