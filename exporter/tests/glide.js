// Runs the scripts of deploy/servicenow over a GlideRecord in memory, which does what they use of the real one, and prints
// what comes of them as JSON. What a real instance does with them has not been tried.
'use strict';
const fs = require('fs');
const path = require('path');
const shipped = process.argv[2];
const script = (name) => fs.readFileSync(path.join(shipped, name), 'utf8');

const tables = { sys_db_object: [{ sys_id: 'o1', name: 'sys_import_set_row' }] };
let given = 0;

class GlideRecord {
    constructor(table) { this.table = table; this.conditions = []; this.most = Infinity; }
    rows() { return tables[this.table] = tables[this.table] || []; }
    addQuery(field, value) { this.conditions.push([field, value]); }
    addNullQuery(field) { this.conditions.push([field, '']); }
    addEncodedQuery(query) { query.split('^').forEach((part) => this.addQuery(...part.split('='))); }
    setLimit(most) { this.most = most; }
    query() {
        const fits = (row) => this.conditions.every(([field, value]) => (row[field] || '') === value);
        this.found = this.rows().filter(fits).slice(0, this.most);
    }
    next() { this.row = this.found.shift(); return this.row !== undefined; }
    get(field, value) { this.addQuery(field, value); this.query(); return this.next(); }
    initialize() { this.row = {}; }
    setValue(field, value) { this.row[field] = String(value); }
    getValue(field) { return this.row[field]; }
    getUniqueValue() { return this.row.sys_id; }
    insert() { this.row.sys_id = 'id' + (++given); this.rows().push(this.row); }
    update() {}
    deleteRecord() { this.rows().splice(this.rows().indexOf(this.row), 1); }
}

// What the instance does with a row: coalesces on u_key, runs onBefore, copies, runs onAfter.
function transform(source) {
    const records = tables.u_leastwise_record = tables.u_leastwise_record || [];
    const there = records.find((row) => row.u_key === source.u_key);
    const row = there || { sys_id: 'id' + (++given) };
    const target = Object.assign(row, { getUniqueValue: () => row.sys_id });
    const run = (name) => new Function('source', 'target', 'map', 'log', 'action', 'GlideRecord',
        'var ignore = false;' + script(name) + '\nreturn ignore;')(source, target, null, null,
        there ? 'update' : 'insert', GlideRecord);
    if (run('on_before.js')) {
        return true;
    }
    Object.assign(target, source);
    if (!there) {
        records.push(target);
    }
    run('on_after.js');
    return false;
}

const assignments = () => (tables.u_leastwise_assignment || []).map((row) => {
    const position = (tables.u_leastwise_record || []).find((each) => each.sys_id === row.u_position);
    return `${row.u_sku_id} ${row.u_paths} p:${position ? position.u_sku_id : ''}`;
}).sort();

const user = (closing, licenses, more) => Object.assign({
    u_key: 't|user|u1', u_closing: closing, u_removed: 'false', u_kind: 'user', u_tenant_id: 't',
    u_user_principal_name: 'ann', u_mail: '', u_licenses: JSON.stringify(licenses),
}, more);
const position = (sku) => ({
    u_key: 't|license_position|' + sku, u_closing: '00000000000000000001', u_removed: 'false', u_kind: 'license_position',
    u_tenant_id: 't', u_sku_id: sku,
});
const direct = { sku: 'e3', paths: ['direct'], groups: [] };
const grouped = { sku: 'e5', paths: ['group'], groups: ['g'] };

const out = { columns: {} };
const make = () => new Function('GlideRecord', script('tables.js'))(GlideRecord);
make();
const made = tables.sys_dictionary.length;
make();
out.twice = tables.sys_dictionary.length - made;
tables.sys_dictionary.forEach((entry) => (out.columns[entry.name] = out.columns[entry.name] || []).push(entry.element));

tables.sys_user = [{ sys_id: 'ann', user_name: 'ann', email: 'a@x' }, { sys_id: 'by mail', user_name: 'b', email: 'bea@x' },
    { sys_id: 'twin', user_name: 'c', email: 'twin@x' }, { sys_id: 'twins', user_name: 'd', email: 'twin@x' },
    { sys_id: 'script', user_name: 'javascript:gs.getUserID()', email: '' }];
transform(position('e5'));
transform(user('00000000000000000009', [direct, grouped]));
out.first = assignments();
out.older = { ignored: transform(user('00000000000000000008', [])), rows: assignments() };
transform(user('00000000000000000010', [direct]));
out.newer = assignments();
transform(position('e3'));
out.position = assignments();
const linked = (more) => {
    transform(user('00000000000000000011', [direct], more));
    return tables.u_leastwise_record.find((row) => row.u_key === 't|user|u1').u_user;
};
out.person = [linked({}), linked({ u_user_principal_name: 'nobody', u_mail: 'bea@x' }),
    linked({ u_user_principal_name: 'nobody', u_mail: 'twin@x' }),
    linked({ u_user_principal_name: 'javascript:gs.getUserID()' })];
transform(user('00000000000000000012', [], { u_removed: 'true', u_licenses: '' }));
out.removed = assignments();
process.stdout.write(JSON.stringify(out));
