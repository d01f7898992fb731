// Scripts - Background, once, as admin: makes the tables and columns that Leastwise needs and the instance lacks.
// What is there already stays as it is.
var TABLES = [
  {
    "name": "u_leastwise_import", "label": "Leastwise import", "extends": "sys_import_set_row", "columns": [
      ["u_key", "string", 255], ["u_closing", "string", 20], ["u_removed", "string", 5], ["u_kind", "string", 40],
      ["u_tenant_id", "string", 40],
      ["u_user_id", "string", 255], ["u_user_principal_name", "string", 255], ["u_mail", "string", 255],
      ["u_employee_id", "string", 40], ["u_display_name", "string", 255], ["u_given_name", "string", 100],
      ["u_surname", "string", 100], ["u_account_enabled", "string", 5], ["u_user_type", "string", 40],
      ["u_department", "string", 255], ["u_company_name", "string", 255], ["u_country", "string", 255],
      ["u_licenses", "string", 65000],
      ["u_sku_id", "string", 40], ["u_sku_part_number", "string", 100], ["u_product_name", "string", 255],
      ["u_product_kind", "string", 40], ["u_provisioned", "string", 11], ["u_assigned", "string", 11],
      ["u_available", "string", 11], ["u_in_error", "string", 11],
      ["u_subscription_id", "string", 255], ["u_status", "string", 40], ["u_total_licenses", "string", 11],
      ["u_is_trial", "string", 5], ["u_next_lifecycle", "string", 40]
    ]
  },
  {
    "name": "u_leastwise_record", "label": "Leastwise record", "extends": "", "columns": [
      ["u_key", "string", 255], ["u_closing", "string", 20], ["u_removed", "boolean", 0], ["u_kind", "string", 40],
      ["u_tenant_id", "string", 40],
      ["u_user_id", "string", 255], ["u_user_principal_name", "string", 255], ["u_mail", "string", 255],
      ["u_employee_id", "string", 40], ["u_display_name", "string", 255], ["u_given_name", "string", 100],
      ["u_surname", "string", 100], ["u_account_enabled", "string", 5], ["u_user_type", "string", 40],
      ["u_department", "string", 255], ["u_company_name", "string", 255], ["u_country", "string", 255],
      ["u_licenses", "string", 65000],
      ["u_sku_id", "string", 40], ["u_sku_part_number", "string", 100], ["u_product_name", "string", 255],
      ["u_product_kind", "string", 40], ["u_provisioned", "integer", 0], ["u_assigned", "integer", 0],
      ["u_available", "integer", 0], ["u_in_error", "integer", 0],
      ["u_subscription_id", "string", 255], ["u_status", "string", 40], ["u_total_licenses", "integer", 0],
      ["u_is_trial", "string", 5], ["u_next_lifecycle", "string", 40],
      ["u_user", "reference", "sys_user"]
    ]
  },
  {
    "name": "u_leastwise_assignment", "label": "Leastwise assignment", "extends": "", "columns": [
      ["u_key", "string", 255], ["u_record", "reference", "u_leastwise_record"], ["u_user", "reference", "sys_user"],
      ["u_position", "reference", "u_leastwise_record"], ["u_tenant_id", "string", 40], ["u_sku_id", "string", 40],
      ["u_paths", "string", 100], ["u_groups", "string", 4000]
    ]
  }
];

(function () {
    function find(table, query) {
        var found = new GlideRecord(table);
        found.addEncodedQuery(query);
        found.query();
        return found.next() ? found : null;
    }
    for (var t = 0; t < TABLES.length; t++) {
        var table = TABLES[t];
        if (!find('sys_db_object', 'name=' + table.name)) {
            var made = new GlideRecord('sys_db_object');
            made.initialize();
            made.setValue('name', table.name);
            made.setValue('label', table.label);
            if (table['extends']) {
                made.setValue('super_class', find('sys_db_object', 'name=' + table['extends']).getUniqueValue());
            }
            made.insert();
        }
        for (var c = 0; c < table.columns.length; c++) {
            var column = table.columns[c];
            if (find('sys_dictionary', 'name=' + table.name + '^element=' + column[0])) {
                continue;
            }
            var entry = new GlideRecord('sys_dictionary');
            entry.initialize();
            entry.setValue('name', table.name);
            entry.setValue('element', column[0]);
            entry.setValue('column_label', column[0].substring(2).replace(/_/g, ' '));
            entry.setValue('internal_type', column[1]);
            if (column[1] === 'reference') {
                entry.setValue('reference', column[2]);
            } else if (column[1] === 'string') {
                entry.setValue('max_length', column[2]);
            }
            entry.insert();
        }
    }
})();
