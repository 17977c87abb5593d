// SPDX-License-Identifier: GPL-2.0-only
// The same as draw.py, for Node.js.
const crypto = require('crypto');
const readline = require('readline');

crypto.randomBytes(16);
console.log('ready');
readline.createInterface({ input: process.stdin }).on('line', (line) => {
	console.log(line, crypto.randomBytes(16).toString('hex'));
});
