// A check is a function with a name; each is run, and the last line counts them.
'use strict';

const grpc = require('@grpc/grpc-js');

async function run(checks, ...args) {
  let passed = 0;
  let failed = 0;
  for (const [name, check] of Object.entries(checks)) {
    try {
      await check(...args);
      passed += 1;
      console.log(`ok    ${name}`);
    } catch (error) {
      failed += 1;
      console.log(`FAIL  ${name}\n${error.stack}`);
    }
  }
  console.log(`${passed} passed, ${failed} failed`);
  process.exitCode = failed ? 1 : 0;
}

// The call fails with this code; returns the error for a closer look.
async function endsWith(code, call) {
  let answer;
  try {
    answer = await call;
  } catch (error) {
    if (error.code === code) return error;
    throw new Error(`expected ${grpc.status[code]}, got ${grpc.status[error.code]}: ${error.message}`);
  }
  throw new Error(`expected ${grpc.status[code]}, got the answer ${JSON.stringify(answer)}`);
}

module.exports = { run, endsWith };
