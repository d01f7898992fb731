// Transform script of the map u_leastwise_import -> u_leastwise_record, when: onBefore.
// Import sets may overtake each other, so a row that is older than its target is ignored.
(function runTransformScript(source, map, log, target) {
    // Numbers have 20 digits: as texts they compare as they do as numbers, which JavaScript couldn't hold.
    if (action === 'update' && String(source.u_closing) < String(target.u_closing)) {
        ignore = true;
        return;
    }
    target.u_user = String(source.u_kind) === 'user' && String(source.u_removed) !== 'true' ? person() : '';

    // The instance's own user: by sign-in name, else by mail address, and only where there is exactly one.
    function person() {
        return unique('user_name', String(source.u_user_principal_name)) || unique('email', String(source.u_mail));
    }

    function unique(field, value) {
        // Such a value would be run as a script.
        if (!value || value.toLowerCase().indexOf('javascript:') === 0) {
            return '';
        }
        var user = new GlideRecord('sys_user');
        user.addQuery(field, value);
        user.setLimit(2);
        user.query();
        if (!user.next()) {
            return '';
        }
        var id = user.getUniqueValue();
        return user.next() ? '' : id;
    }
})(source, map, log, target);
