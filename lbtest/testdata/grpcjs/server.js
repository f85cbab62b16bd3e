// A gRPC server by grpc-js, with the health service by grpc-health-check.
//
// It listens on a free port of 127.0.0.1, prints {"port": <number>} as one line,
// and serves /lbtest.Echo/Echo. A line "serving" or "not_serving" on standard
// input sets the health of "" and of "lbtest.Echo", and is answered by one line
// {"status": "<SERVING or NOT_SERVING>"}. The end of standard input ends it.
'use strict';

const path = require('node:path');
const readline = require('node:readline');
const grpc = require('@grpc/grpc-js');
const protoLoader = require('@grpc/proto-loader');
const { HealthImplementation } = require('grpc-health-check');

const services = ['', 'lbtest.Echo'];
const statuses = { serving: 'SERVING', not_serving: 'NOT_SERVING' };

const say = (message) => process.stdout.write(`${JSON.stringify(message)}\n`);
const fail = (error) => {
  process.stderr.write(`${error.message}\n`);
  process.exit(1);
};

const definition = protoLoader.loadSync(path.join(__dirname, 'echo.proto'), { longs: Number });
const { Echo } = grpc.loadPackageDefinition(definition).lbtest;
const health = new HealthImplementation(
  Object.fromEntries(services.map((service) => [service, 'SERVING'])),
);

const server = new grpc.Server();
health.addToServer(server);
server.addService(Echo.service, {
  echo: (call, answer) => {
    const header = new grpc.Metadata();
    header.set('lbtest-server', 'grpcjs');
    call.sendMetadata(header);
    answer(null, call.request);
  },
  ticks: (call) => {
    const { seconds = 0, nanos = 0 } = call.request;
    const interval = seconds * 1000 + nanos / 1e6;
    if (!(interval >= 1)) {
      call.emit('error', {
        code: grpc.status.INVALID_ARGUMENT,
        details: `interval: ${interval}ms: want 1ms or more`,
      });
      return;
    }
    let n = 0;
    const send = () => call.write({ value: n++ });
    send();
    const timer = setInterval(send, interval);
    call.on('cancelled', () => clearInterval(timer));
  },
});

server.bindAsync('127.0.0.1:0', grpc.ServerCredentials.createInsecure(), (error, port) => {
  if (error) {
    fail(error);
    return;
  }
  say({ port });
});

const input = readline.createInterface({ input: process.stdin });
input.on('line', (line) => {
  const status = statuses[line.trim()];
  if (status === undefined) {
    fail(new Error(`line ${JSON.stringify(line)}: want "serving" or "not_serving"`));
    return;
  }
  for (const service of services) {
    health.setStatus(service, status);
  }
  say({ status });
});
input.on('close', () => {
  server.forceShutdown();
  process.exit(0);
});
