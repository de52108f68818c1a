// A stock @grpc/grpc-js client at its worst, without ill will, against temaki's echo server: honest_client.js PROTO ADDRESS
//
// The checks are those of scripts/python/honest_client.py. Each keeps a stream open on its connection, the witness: it lives
// only if the server has not cut the connection.
'use strict';

const assert = require('assert');
const grpc = require('@grpc/grpc-js');
const loader = require('@grpc/proto-loader');
const { run, endsWith } = require('./checks');

const { status } = grpc;
const [, , proto, address] = process.argv;
const { Echo } = grpc.loadPackageDefinition(loader.loadSync(proto, { keepCase: true, longs: Number, defaults: true })).temaki.test;

const soon = (ms) => ({ deadline: Date.now() + ms });
const answersOf = (call) => call[Symbol.asyncIterator]();

function unary(client, request, options = soon(60_000)) {
  return new Promise((resolve, reject) => {
    client.Unary(request, options, (error, answer) => (error ? reject(error) : resolve(answer)));
  });
}

function witnessed(check) {
  return async (client) => {
    const witness = client.Bidi(soon(250_000));
    const answers = answersOf(witness);
    const says = async (text) => {
      witness.write({ text });
      assert.equal((await answers.next()).value.text, text);
    };
    await says('before');
    await check(client);
    await says('after');
    witness.end();
    assert.ok((await answers.next()).done);
  };
}

// The handler waits so long before it answers the first, and so reads no other meanwhile.
async function allComeBack(client, count, lag) {
  const call = client.Bidi(soon(250_000));
  const failed = new Promise((resolve) => { call.once('error', resolve); });
  call.write({ text: '0', delay_ms: lag });
  for (let n = 1; n < count; n += 1) {
    if (!call.write({ text: String(n) })) await Promise.race([failed, new Promise((resolve) => { call.once('drain', resolve); })]);
  }
  call.end();
  let number = 0;
  for await (const answer of call) {
    assert.equal(answer.text, String(number));
    number += 1;
  }
  assert.equal(number, count);
}

const checks = {
  'twenty thousand small messages to a handler that lags': (client) => allComeBack(client, 20_000, 2_000),

  async 'eight such streams beside an active one'(client) {
    const lagging = Promise.all(Array.from({ length: 8 }, () => allComeBack(client, 5_000, 3_000)));
    lagging.catch(() => {}); // looked at below
    for (let n = 0; n < 500; n += 1) assert.equal((await unary(client, { text: String(n) })).text, String(n));
    await lagging;
  },

  async 'bursts of calls that are cancelled together'(client) {
    for (let burst = 0; burst < 12; burst += 1) {
      const ends = [];
      const calls = Array.from({ length: 200 }, () => {
        let call;
        ends.push(endsWith(status.CANCELLED, new Promise((resolve, reject) => {
          call = client.Unary({ delay_ms: 60_000 }, soon(60_000), (error, answer) => (error ? reject(error) : resolve(answer)));
        })));
        return call;
      });
      // What is cancelled before it has a stream, grpc-js opens all the same, never resets, and so leaves open.
      await unary(client, { text: 'they have left' });
      calls.forEach((call) => call.cancel());
      await Promise.all(ends);
      assert.equal((await unary(client, { text: 'beside' })).text, 'beside');
    }
  },

  async 'streams that are read for one message and cancelled'(client) {
    for (let n = 0; n < 1_000; n += 1) {
      const call = client.ServerStream({ text: 'x', count: 1_000 }, soon(60_000));
      call.on('error', () => {});
      await new Promise((resolve) => call.once('data', resolve));
      call.cancel();
    }
  },

  async 'uploads that are answered before they end'(client) {
    for (let round = 0; round < 40; round += 1) {
      await Promise.all(Array.from({ length: 50 }, () => endsWith(status.PERMISSION_DENIED, new Promise((resolve, reject) => {
        const call = client.ClientStream(soon(60_000), (error, answer) => (error ? reject(error) : resolve(answer)));
        call.write({ fail_with: 7, text: 'no more' });
        for (let n = 0; n < 20; n += 1) call.write({ payload: Buffer.alloc(1024) });
        call.end();
      }))));
    }
  },

  async 'calls that expire at both ends'(client) {
    for (let round = 0; round < 30; round += 1) {
      await Promise.all(Array.from({ length: 100 }, () => unary(client, { delay_ms: 20 }, soon(20)).catch((error) => {
        assert.equal(error.code, status.DEADLINE_EXCEEDED, error.message);
      })));
      assert.equal((await unary(client, { text: 'beside' })).text, 'beside');
    }
  },

  async 'a heartbeat in turns'(client) {
    const call = client.Bidi(soon(120_000));
    const answers = answersOf(call);
    for (let n = 0; n < 3_000; n += 1) {
      call.write({ text: String(n) });
      assert.equal((await answers.next()).value.text, String(n));
    }
    call.end();
    assert.ok((await answers.next()).done);
  },

  async 'fifty thousand small answers to a reader that lags'(client) {
    const call = client.ServerStream({ text: 'x', count: 50_000 }, soon(250_000));
    await new Promise((resolve) => { setTimeout(resolve, 2_000); });
    let number = 0;
    for await (const answer of call) {
      assert.equal(answer.number, number);
      number += 1;
    }
    assert.equal(number, 50_000);
  },
};

const client = new Echo(address, grpc.credentials.createInsecure());
run(Object.fromEntries(Object.entries(checks).map(([name, check]) => [name, witnessed(check)])), client).then(() => client.close());
