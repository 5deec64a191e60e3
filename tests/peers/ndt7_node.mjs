// The official JavaScript ndt7 client (@m-lab/ndt7), run under Node.
//
//   node ndt7_node.mjs --modules DIR --server HOST:PORT --scheme ws|wss
//
// The client is written for a browser: each subtest is a classic script in a
// Web Worker that finds `self`, `postMessage` and `WebSocket` in its global
// scope. This file is the page and, a second time, the scope of each worker;
// not a line of the client is changed.
//
// Standard output: one JSON object a line, {"Key": ..., "Value": ...} with the
// keys "start", "measurement", "complete" and "error". The status is the
// client's own: 0, or the download's code plus 16 times the upload's.
// A private authority is trusted by NODE_EXTRA_CA_CERTS.

import { readFileSync } from 'node:fs';
import { createRequire } from 'node:module';
import { join } from 'node:path';
import { parseArgs } from 'node:util';
import { runInThisContext } from 'node:vm';
import { Worker as Thread, isMainThread, parentPort, workerData } from 'node:worker_threads';

/** The page's `Worker`: as much of the Web Workers interface as the client uses. */
function workerClass(modules) {
  return class Worker {
    constructor(script) {
      this.thread = new Thread(new URL(import.meta.url), { workerData: { modules, script } });
      this.thread.on('message', (data) => this.onmessage({ data }));
      this.thread.on('error', (err) => this.onmessage({ data: { MsgType: 'error', Error: String(err) } }));
    }

    postMessage(data) {
      this.thread.postMessage(data);
    }

    terminate() {
      this.thread.terminate();
    }
  };
}

/** Inside a worker: the scope the client's script expects, then the script. */
function runWorker({ modules, script }) {
  const require = createRequire(join(modules, 'ndt7_node'));
  globalThis.self = globalThis;
  globalThis.postMessage = (data) => parentPort.postMessage(data);
  // Node has its own from version 22 on; the pinned one makes every version behave alike.
  Object.defineProperty(globalThis, 'WebSocket', { value: require('ws').WebSocket });
  runInThisContext(readFileSync(script, 'utf8'), { filename: script });
  parentPort.on('message', (data) => self.onmessage({ data }));
}

function print(key, value) {
  process.stdout.write(JSON.stringify({ Key: key, Value: value }) + '\n');
}

/** The client's callbacks of one subtest, as lines of output. */
function callbacksOf(test) {
  return {
    [`${test}Start`]: (data) => print('start', { Test: test, ...data }),
    [`${test}Measurement`]: ({ Source, Data }) => print('measurement', { Test: test, Origin: Source, ...Data }),
    [`${test}Complete`]: () => print('complete', { Test: test }),
  };
}

async function runPage() {
  const { values: options } = parseArgs({
    options: { modules: { type: 'string' }, server: { type: 'string' }, scheme: { type: 'string' } },
  });
  // Without a server the client would ask the public locate service for one.
  if (!options.modules || !options.server || !options.scheme) {
    throw new Error('--modules, --server and --scheme are needed');
  }
  const require = createRequire(join(options.modules, 'ndt7_node'));
  const worker = (test) => require.resolve(`@m-lab/ndt7/src/ndt7-${test}-worker.js`);
  globalThis.Worker = workerClass(options.modules);

  process.exitCode = await require('@m-lab/ndt7').test(
    {
      server: options.server,
      protocol: options.scheme,
      mlabDataPolicyInapplicable: true, // a private server
      downloadworkerfile: worker('download'),
      uploadworkerfile: worker('upload'),
      metadata: { client_name: 'radar-pod-peers', client_version: '1' },
    },
    {
      ...callbacksOf('download'),
      ...callbacksOf('upload'),
      error: (err) => print('error', { Failure: String(err) }),
    },
  );
}

if (isMainThread) {
  await runPage();
} else {
  runWorker(workerData);
}
