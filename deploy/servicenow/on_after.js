// Transform script of the map u_leastwise_import -> u_leastwise_record, when: onAfter.
// A user's assignments live and die with the user: they are replaced as a set.
(function runTransformScript(source, map, log, target) {
    var removed = String(source.u_removed) === 'true';
    if (String(source.u_kind) === 'license_position' && !removed) {
        // Of users that came before it.
        var waiting = new GlideRecord('u_leastwise_assignment');
        waiting.addQuery('u_tenant_id', String(source.u_tenant_id));
        waiting.addQuery('u_sku_id', String(source.u_sku_id));
        waiting.addNullQuery('u_position');
        waiting.query();
        while (waiting.next()) {
            waiting.setValue('u_position', target.getUniqueValue());
            waiting.update();
        }
    }
    if (String(source.u_kind) !== 'user') {
        return;
    }
    var licenses = removed ? [] : JSON.parse(String(source.u_licenses) || '[]');
    var tenant = String(source.u_tenant_id);
    var kept = {};
    for (var i = 0; i < licenses.length; i++) {
        var license = licenses[i];
        var key = String(source.u_key) + '|' + license.sku;
        kept[key] = true;
        var row = new GlideRecord('u_leastwise_assignment');
        var there = row.get('u_key', key);
        if (!there) {
            row.initialize();
            row.setValue('u_key', key);
        }
        row.setValue('u_record', target.getUniqueValue());
        row.setValue('u_user', String(target.u_user));
        row.setValue('u_position', position(tenant + '|license_position|' + license.sku));
        row.setValue('u_tenant_id', tenant);
        row.setValue('u_sku_id', license.sku);
        row.setValue('u_paths', license.paths.join(','));
        row.setValue('u_groups', license.groups.join(','));
        if (there) {
            row.update();
        } else {
            row.insert();
        }
    }
    var old = new GlideRecord('u_leastwise_assignment');
    old.addQuery('u_record', target.getUniqueValue());
    old.query();
    while (old.next()) {
        if (!kept[old.getValue('u_key')]) {
            old.deleteRecord();
        }
    }

    function position(key) {
        var found = new GlideRecord('u_leastwise_record');
        return found.get('u_key', key) ? found.getUniqueValue() : '';
    }
})(source, map, log, target);
