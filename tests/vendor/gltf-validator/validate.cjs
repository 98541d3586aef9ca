// Prints what the Khronos validator says of one GLB file as JSON: node validate.cjs FILE
const fs = require('fs');
const validator = require('./gltf_validator.dart.js');

validator
  .validateBytes(new Uint8Array(fs.readFileSync(process.argv[2])), { maxIssues: 0 })
  .then((report) => console.log(JSON.stringify(report)))
  .catch((error) => {
    console.error(String(error));
    process.exit(1);
  });
