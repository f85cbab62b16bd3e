// The server of the conformance table over Node's http module: node server.js PORT
'use strict';
const http = require('http');
const crypto = require('crypto');
const zlib = require('zlib');

function read(req, then) {
  const parts = [];
  req.on('data', (d) => parts.push(d));
  req.on('end', () => then(Buffer.concat(parts)));
  req.on('error', () => {});
}

function echo(req, res) {
  read(req, (body) => {
    const sum = crypto.createHash('sha256').update(body).digest('hex');
    const headers = Object.entries(req.headers).filter(([k]) => k !== 'referer').sort();
    res.end(`${req.method} ${req.url} ${req.httpVersion} ${body.length} ${sum} ${JSON.stringify(headers)} ${JSON.stringify(req.trailers)}`);
  });
}

const server = http.createServer((req, res) => {
  const path = req.url.split('?')[0];
  const [, first, second] = path.split('/');
  res.on('error', () => {});
  switch (first) {
    case 'readyz': case 'livez': return res.end();
    case 'echo': return echo(req, res);
    case 'status':
      return read(req, () => { res.writeHead(Number(second)); res.end(Number(second) >= 400 ? 'status' : undefined); });
    case 'gzip':
      if (!/gzip/.test(req.headers['accept-encoding'] || '')) return res.end('plain');
      res.setHeader('Content-Encoding', 'gzip');
      return res.end(zlib.gzipSync('zip'.repeat(100)));
    case 'pieces':
      for (let i = 0; i < 5; i++) res.write('piece\n');
      return res.end();
    case 'large': return res.end(Buffer.alloc(5 << 20));
    case 'trailers':
      res.setHeader('Trailer', 'X-After');
      res.write('body');
      res.addTrailers({ 'X-After': '1' });
      return res.end();
    case 'cut':
      res.setHeader('Content-Length', '100');
      res.write('part', () => setTimeout(() => res.destroy(), 20));
      return undefined;
    case 'redirect':
      return read(req, () => { res.writeHead(Number(second), { Location: '/echo?redirected=' + second }); res.end(); });
    case 'absolute':
      res.writeHead(307, { Location: 'http://' + req.headers.host + '/echo?absolute' });
      return res.end();
    case 'endless':
      res.writeHead(302, { Location: '/endless' });
      return res.end();
    case 'cookie':
      res.writeHead(302, { Location: '/echo', 'Set-Cookie': 'a=b; Path=/' });
      return res.end();
    case 'early':
      res.writeHead(403, { Connection: 'close' });
      return res.end();
    case 'duplex':
      req.on('data', (d) => res.write('got ' + d));
      return req.on('end', () => res.end());
    case 'never': return req.resume();
    case 'half': return res.write('half');
    default: res.writeHead(404); return res.end();
  }
});
server.on('upgrade', (req, socket) => {
  socket.on('error', () => {});
  socket.write('HTTP/1.1 101 Switching Protocols\r\nConnection: Upgrade\r\nUpgrade: echo\r\n\r\n');
  socket.once('data', (d) => socket.end(d));
});
server.listen(Number(process.argv[2]), '127.0.0.1');
process.on('SIGINT', () => process.exit(0));
