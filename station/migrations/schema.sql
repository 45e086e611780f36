BEGIN IMMEDIATE;
CREATE TABLE alembic_version (
	version_num VARCHAR(32) NOT NULL, 
	CONSTRAINT alembic_version_pkc PRIMARY KEY (version_num)
);
CREATE TABLE account (
	tenant INTEGER NOT NULL, 
	id VARCHAR(36) NOT NULL, 
	name VARCHAR(64) NOT NULL, 
	password_hash VARCHAR(255) NOT NULL, 
	role VARCHAR(16) NOT NULL, 
	regions TEXT NOT NULL, 
	customers TEXT NOT NULL, 
	disabled BOOLEAN NOT NULL, 
	created_ns BIGINT NOT NULL, 
	CONSTRAINT pk_account PRIMARY KEY (id), 
	CONSTRAINT uq_account_tenant_name UNIQUE (tenant, name)
);
CREATE TABLE alarm (
	tenant INTEGER NOT NULL, 
	id VARCHAR(36) NOT NULL, 
	resource VARCHAR(255) NOT NULL, 
	alarm_type VARCHAR(128) NOT NULL, 
	qualifier VARCHAR(255) NOT NULL, 
	resource_kind VARCHAR(16) NOT NULL, 
	device_id VARCHAR(36) NOT NULL, 
	device VARCHAR(255) NOT NULL, 
	object VARCHAR(255) NOT NULL, 
	site VARCHAR(255) NOT NULL, 
	region VARCHAR(255) NOT NULL, 
	severity SMALLINT NOT NULL, 
	is_cleared SMALLINT NOT NULL, 
	created_ns BIGINT NOT NULL, 
	raised_ns BIGINT NOT NULL, 
	changed_ns BIGINT NOT NULL, 
	heard_ns BIGINT NOT NULL, 
	cleared_ns BIGINT NOT NULL, 
	text TEXT NOT NULL, 
	event_type VARCHAR(64) NOT NULL, 
	probable_cause VARCHAR(64) NOT NULL, 
	proposed_repair TEXT NOT NULL, 
	source VARCHAR(128) NOT NULL, 
	fields TEXT NOT NULL, 
	authenticated SMALLINT NOT NULL, 
	trend VARCHAR(16) NOT NULL, 
	count INTEGER NOT NULL, 
	occurrence INTEGER NOT NULL, 
	seq INTEGER NOT NULL, 
	raises VARCHAR(255) NOT NULL, 
	chattering SMALLINT NOT NULL, 
	told SMALLINT NOT NULL, 
	claimed_ns BIGINT NOT NULL, 
	ack_user VARCHAR(255) NOT NULL, 
	ack_ns BIGINT NOT NULL, 
	unacked SMALLINT NOT NULL, 
	shelf_reason VARCHAR(255) NOT NULL, 
	shelf_owner VARCHAR(255) NOT NULL, 
	shelf_until_ns BIGINT NOT NULL, 
	incident_id VARCHAR(36) NOT NULL, 
	is_root SMALLINT NOT NULL, 
	suppressed SMALLINT NOT NULL, 
	root_alarm_id VARCHAR(36) NOT NULL, 
	children INTEGER NOT NULL, 
	services INTEGER NOT NULL, 
	customers INTEGER NOT NULL, maintenance VARCHAR(36) DEFAULT '' NOT NULL, 
	CONSTRAINT pk_alarm PRIMARY KEY (tenant, id)
);
CREATE INDEX ix_alarm_screen ON alarm (tenant, is_cleared, severity, unacked, raised_ns, id);
CREATE TABLE alarm_history (
	tenant INTEGER NOT NULL, 
	alarm_id VARCHAR(36) NOT NULL, 
	seq INTEGER NOT NULL, 
	occurrence INTEGER NOT NULL, 
	time_ns BIGINT NOT NULL, 
	what VARCHAR(16) NOT NULL, 
	severity SMALLINT NOT NULL, 
	is_cleared SMALLINT NOT NULL, 
	"by" VARCHAR(255) NOT NULL, 
	text TEXT NOT NULL, 
	CONSTRAINT pk_alarm_history PRIMARY KEY (tenant, alarm_id, seq)
);
CREATE INDEX ix_alarm_history_time ON alarm_history (tenant, time_ns);
CREATE TABLE api_token (
	tenant INTEGER NOT NULL, 
	id VARCHAR(36) NOT NULL, 
	token_hash VARCHAR(64) NOT NULL, 
	name VARCHAR(64) NOT NULL, 
	owner VARCHAR(64) NOT NULL, 
	role VARCHAR(16) NOT NULL, 
	regions TEXT NOT NULL, 
	customers TEXT NOT NULL, 
	created_ns BIGINT NOT NULL, 
	expires_ns BIGINT NOT NULL, 
	revoked_ns BIGINT NOT NULL, 
	CONSTRAINT pk_api_token PRIMARY KEY (id), 
	CONSTRAINT uq_api_token_token_hash UNIQUE (token_hash)
);
CREATE TABLE audit (
	tenant INTEGER NOT NULL, 
	seq BIGINT NOT NULL, 
	at_ns BIGINT NOT NULL, 
	actor VARCHAR(64) NOT NULL, 
	act VARCHAR(64) NOT NULL, 
	object VARCHAR(255) NOT NULL, 
	"before" TEXT NOT NULL, 
	"after" TEXT NOT NULL, 
	reason TEXT NOT NULL, 
	hash VARCHAR(64) NOT NULL, 
	CONSTRAINT pk_audit PRIMARY KEY (tenant, seq)
);
CREATE TABLE audit_head (
	tenant INTEGER NOT NULL, 
	seq BIGINT NOT NULL, 
	hash VARCHAR(64) NOT NULL, 
	CONSTRAINT pk_audit_head PRIMARY KEY (tenant)
);
CREATE TABLE bill_run (
	tenant INTEGER NOT NULL, 
	id VARCHAR(36) NOT NULL, 
	period VARCHAR(64) NOT NULL, 
	start_ns BIGINT NOT NULL, 
	end_ns BIGINT NOT NULL, 
	cutoff_ns BIGINT NOT NULL, 
	created_ns BIGINT NOT NULL, 
	created_by VARCHAR(64) NOT NULL, 
	snapshot TEXT NOT NULL, 
	snapshot_sha256 VARCHAR(64) NOT NULL, 
	CONSTRAINT pk_bill_run PRIMARY KEY (tenant, period), 
	CONSTRAINT uq_bill_run_tenant_id UNIQUE (tenant, id)
);
CREATE TABLE bill_run_closed (
	tenant INTEGER NOT NULL, 
	period VARCHAR(64) NOT NULL, 
	closed_ns BIGINT NOT NULL, 
	invoices INTEGER NOT NULL, 
	exceptions TEXT NOT NULL, 
	CONSTRAINT pk_bill_run_closed PRIMARY KEY (tenant, period)
);
CREATE TABLE customer (
	tenant INTEGER NOT NULL, 
	id VARCHAR(36) NOT NULL, 
	number VARCHAR(32) NOT NULL, 
	name VARCHAR(255) NOT NULL, 
	email VARCHAR(255) NOT NULL, 
	address TEXT NOT NULL, 
	tax_id VARCHAR(64) NOT NULL, 
	currency VARCHAR(3) NOT NULL, 
	tax_rate_ppm INTEGER NOT NULL, 
	CONSTRAINT pk_customer PRIMARY KEY (id), 
	CONSTRAINT uq_customer_tenant_number UNIQUE (tenant, number)
);
CREATE TABLE delivery (
	tenant INTEGER NOT NULL, 
	outbox_id VARCHAR(36) NOT NULL, 
	attempt INTEGER NOT NULL, 
	at_ns BIGINT NOT NULL, 
	took_ms INTEGER NOT NULL, 
	outcome VARCHAR(16) NOT NULL, 
	status INTEGER NOT NULL, 
	error VARCHAR(512) NOT NULL, 
	reply VARCHAR(512) NOT NULL, 
	CONSTRAINT pk_delivery PRIMARY KEY (tenant, outbox_id, attempt)
);
CREATE INDEX ix_delivery_time ON delivery (tenant, at_ns);
CREATE TABLE document_series (
	tenant INTEGER NOT NULL, 
	series VARCHAR(32) NOT NULL, 
	last BIGINT NOT NULL, 
	CONSTRAINT pk_document_series PRIMARY KEY (tenant, series)
);
CREATE TABLE fault_checkpoint (
	tenant INTEGER NOT NULL, 
	source VARCHAR(64) NOT NULL, 
	position BIGINT NOT NULL, 
	CONSTRAINT pk_fault_checkpoint PRIMARY KEY (tenant, source)
);
CREATE TABLE incident (
	tenant INTEGER NOT NULL, 
	id VARCHAR(36) NOT NULL, 
	state VARCHAR(8) NOT NULL, 
	noise SMALLINT NOT NULL, 
	root_id VARCHAR(255) NOT NULL, 
	root_kind VARCHAR(32) NOT NULL, 
	root_name VARCHAR(512) NOT NULL, 
	verdict VARCHAR(16) NOT NULL, 
	confidence FLOAT NOT NULL, 
	missing_link VARCHAR(512) NOT NULL, 
	severity SMALLINT NOT NULL, 
	alarms INTEGER NOT NULL, 
	opened_ns BIGINT NOT NULL, 
	changed_ns BIGINT NOT NULL, 
	closed_ns BIGINT NOT NULL, 
	revision INTEGER NOT NULL, 
	told VARCHAR(512) NOT NULL, 
	body TEXT NOT NULL, maintenance VARCHAR(36) DEFAULT '' NOT NULL, 
	CONSTRAINT pk_incident PRIMARY KEY (tenant, id)
);
CREATE INDEX ix_incident_screen ON incident (tenant, state, opened_ns);
CREATE TABLE incident_alarm (
	tenant INTEGER NOT NULL, 
	incident_id VARCHAR(36) NOT NULL, 
	alarm_id VARCHAR(36) NOT NULL, 
	CONSTRAINT pk_incident_alarm PRIMARY KEY (tenant, incident_id, alarm_id)
);
CREATE TABLE invoice (
	tenant INTEGER NOT NULL, 
	id VARCHAR(36) NOT NULL, 
	series VARCHAR(32) NOT NULL, 
	seq BIGINT NOT NULL, 
	number VARCHAR(48) NOT NULL, 
	period VARCHAR(64) NOT NULL, 
	customer_id VARCHAR(36) NOT NULL, 
	customer_name VARCHAR(255) NOT NULL, 
	currency VARCHAR(3) NOT NULL, 
	net_minor BIGINT NOT NULL, 
	tax_minor BIGINT NOT NULL, 
	gross_minor BIGINT NOT NULL, 
	issued_ns BIGINT NOT NULL, 
	document TEXT NOT NULL, 
	sha256 VARCHAR(64) NOT NULL, 
	CONSTRAINT pk_invoice PRIMARY KEY (tenant, period, customer_id), 
	CONSTRAINT uq_invoice_tenant_id UNIQUE (tenant, id), 
	CONSTRAINT uq_invoice_tenant_number UNIQUE (tenant, number), 
	CONSTRAINT uq_invoice_tenant_series_seq UNIQUE (tenant, series, seq)
);
CREATE TABLE invoice_pdf (
	tenant INTEGER NOT NULL, 
	invoice_id VARCHAR(36) NOT NULL, 
	pdf BLOB NOT NULL, 
	sha256 VARCHAR(64) NOT NULL, 
	CONSTRAINT pk_invoice_pdf PRIMARY KEY (tenant, invoice_id)
);
CREATE TABLE link (
	tenant INTEGER NOT NULL, 
	id VARCHAR(36) NOT NULL, 
	a_device_no INTEGER NOT NULL, 
	a_entity_no INTEGER NOT NULL, 
	b_device_no INTEGER NOT NULL, 
	b_entity_no INTEGER NOT NULL, 
	sources VARCHAR(255) NOT NULL, 
	confidence FLOAT NOT NULL, 
	duct VARCHAR(255) NOT NULL, 
	first_seen_ns BIGINT NOT NULL, 
	last_seen_ns BIGINT NOT NULL, 
	CONSTRAINT pk_link PRIMARY KEY (id), 
	CONSTRAINT uq_link_tenant_a_device_no_a_entity_no_b_device_no_b_entity_no UNIQUE (tenant, a_device_no, a_entity_no, b_device_no, b_entity_no)
);
CREATE TABLE one_time_link (
	tenant INTEGER NOT NULL, 
	token_hash VARCHAR(64) NOT NULL, 
	purpose VARCHAR(16) NOT NULL, 
	account_id VARCHAR(36) NOT NULL, 
	expires_ns BIGINT NOT NULL, 
	CONSTRAINT pk_one_time_link PRIMARY KEY (token_hash)
);
CREATE TABLE outbox (
	tenant INTEGER NOT NULL, 
	id VARCHAR(36) NOT NULL, 
	webhook_id VARCHAR(36) NOT NULL, 
	webhook VARCHAR(64) NOT NULL, 
	about VARCHAR(16) NOT NULL, 
	object_id VARCHAR(36) NOT NULL, 
	revision INTEGER NOT NULL, 
	transition VARCHAR(16) NOT NULL, 
	body TEXT NOT NULL, 
	created_ns BIGINT NOT NULL, 
	state VARCHAR(16) NOT NULL, 
	attempts INTEGER NOT NULL, 
	since_ns BIGINT NOT NULL, 
	since_attempt INTEGER NOT NULL, 
	next_ns BIGINT NOT NULL, 
	done_ns BIGINT NOT NULL, 
	status INTEGER NOT NULL, 
	error VARCHAR(512) NOT NULL, grouped VARCHAR(64) DEFAULT '' NOT NULL, repeat_s INTEGER DEFAULT '0' NOT NULL, 
	CONSTRAINT pk_outbox PRIMARY KEY (tenant, id), 
	CONSTRAINT uq_outbox_tenant_webhook_id_object_id_revision_transition UNIQUE (tenant, webhook_id, object_id, revision, transition)
);
CREATE INDEX ix_outbox_due ON outbox (tenant, webhook_id, state, next_ns);
CREATE INDEX ix_outbox_log ON outbox (tenant, created_ns, id);
CREATE TABLE rated_usage (
	tenant INTEGER NOT NULL, 
	id VARCHAR(64) NOT NULL, 
	period VARCHAR(64) NOT NULL, 
	service_id VARCHAR(36) NOT NULL, 
	charge VARCHAR(64) NOT NULL, 
	customer_id VARCHAR(36) NOT NULL, 
	rating_rev INTEGER NOT NULL, 
	booked_in VARCHAR(64) NOT NULL, 
	invoice_id VARCHAR(36) NOT NULL, 
	line_no INTEGER NOT NULL, 
	amount_minor BIGINT NOT NULL, 
	currency VARCHAR(3) NOT NULL, 
	tax_rate_ppm INTEGER NOT NULL, 
	tariff VARCHAR(64) NOT NULL, 
	effective VARCHAR(10) NOT NULL, 
	computation TEXT NOT NULL, 
	usage TEXT NOT NULL, tax_category VARCHAR(2) DEFAULT '' NOT NULL, tax_minor BIGINT, 
	CONSTRAINT pk_rated_usage PRIMARY KEY (tenant, period, service_id, charge, customer_id, rating_rev), 
	CONSTRAINT uq_rated_usage_tenant_id UNIQUE (tenant, id)
);
CREATE INDEX ix_rated_usage_tenant_invoice_id ON rated_usage (tenant, invoice_id);
CREATE TABLE site (
	tenant INTEGER NOT NULL, 
	id VARCHAR(36) NOT NULL, 
	name VARCHAR(255) NOT NULL, 
	region VARCHAR(255) NOT NULL, 
	latitude FLOAT, 
	longitude FLOAT, 
	CONSTRAINT pk_site PRIMARY KEY (id), 
	CONSTRAINT uq_site_tenant_name UNIQUE (tenant, name)
);
CREATE TABLE tariff_used (
	tenant INTEGER NOT NULL, 
	name VARCHAR(64) NOT NULL, 
	effective VARCHAR(10) NOT NULL, 
	sha256 VARCHAR(64) NOT NULL, 
	CONSTRAINT pk_tariff_used PRIMARY KEY (tenant, name, effective)
);
CREATE TABLE usage_billed (
	tenant INTEGER NOT NULL, 
	source VARCHAR(64) NOT NULL, 
	seq BIGINT NOT NULL, 
	chain VARCHAR(64) NOT NULL, 
	known_ns BIGINT NOT NULL, 
	start_ns BIGINT NOT NULL, 
	record_id VARCHAR(64) NOT NULL, 
	portion BIGINT NOT NULL, 
	invoice_id VARCHAR(36) NOT NULL, 
	line_no BIGINT NOT NULL, 
	CONSTRAINT pk_usage_billed PRIMARY KEY (tenant, source, seq), 
	CONSTRAINT uq_usage_billed_tenant_start_ns_record_id_portion_invoice_id_line_no UNIQUE (tenant, start_ns, record_id, portion, invoice_id, line_no)
);
CREATE TABLE usage_evidence (
	tenant INTEGER NOT NULL, 
	sha256 VARCHAR(64) NOT NULL, 
	blob BLOB NOT NULL, 
	CONSTRAINT pk_usage_evidence PRIMARY KEY (tenant, sha256)
);
CREATE TABLE usage_fence (
	tenant INTEGER NOT NULL, 
	cutoff_ns BIGINT NOT NULL, 
	CONSTRAINT pk_usage_fence PRIMARY KEY (tenant)
);
CREATE TABLE usage_guiding (
	tenant INTEGER NOT NULL, 
	source VARCHAR(64) NOT NULL, 
	seq BIGINT NOT NULL, 
	chain VARCHAR(64) NOT NULL, 
	known_ns BIGINT NOT NULL, 
	start_ns BIGINT NOT NULL, 
	record_id VARCHAR(64) NOT NULL, 
	guide_rev BIGINT NOT NULL, 
	portion BIGINT NOT NULL, 
	from_ns BIGINT NOT NULL, 
	to_ns BIGINT NOT NULL, 
	state VARCHAR(16) NOT NULL, 
	reason VARCHAR(64) NOT NULL, 
	service_id VARCHAR(36) NOT NULL, 
	customer_id VARCHAR(36) NOT NULL, 
	in_octets BIGINT NOT NULL, 
	out_octets BIGINT NOT NULL, 
	since_ns BIGINT NOT NULL, 
	CONSTRAINT pk_usage_guiding PRIMARY KEY (tenant, source, seq), 
	CONSTRAINT uq_usage_guiding_tenant_start_ns_record_id_guide_rev_portion UNIQUE (tenant, start_ns, record_id, guide_rev, portion)
);
CREATE INDEX ix_usage_guiding_tenant_service_id_start_ns ON usage_guiding (tenant, service_id, start_ns);
CREATE TABLE usage_head (
	tenant INTEGER NOT NULL, 
	book VARCHAR(32) NOT NULL, 
	source VARCHAR(64) NOT NULL, 
	seq BIGINT NOT NULL, 
	chain VARCHAR(64) NOT NULL, 
	CONSTRAINT pk_usage_head PRIMARY KEY (tenant, book, source)
);
CREATE TABLE usage_rated (
	tenant INTEGER NOT NULL, 
	source VARCHAR(64) NOT NULL, 
	seq BIGINT NOT NULL, 
	chain VARCHAR(64) NOT NULL, 
	known_ns BIGINT NOT NULL, 
	start_ns BIGINT NOT NULL, 
	record_id VARCHAR(64) NOT NULL, 
	guide_rev BIGINT NOT NULL, 
	portion BIGINT NOT NULL, 
	rated_id VARCHAR(64) NOT NULL, 
	state VARCHAR(16) NOT NULL, 
	CONSTRAINT pk_usage_rated PRIMARY KEY (tenant, source, seq), 
	CONSTRAINT uq_usage_rated_tenant_start_ns_record_id_guide_rev_portion_rated_id UNIQUE (tenant, start_ns, record_id, guide_rev, portion, rated_id)
);
CREATE TABLE usage_record (
	tenant INTEGER NOT NULL, 
	source VARCHAR(64) NOT NULL, 
	seq BIGINT NOT NULL, 
	chain VARCHAR(64) NOT NULL, 
	known_ns BIGINT NOT NULL, 
	start_ns BIGINT NOT NULL, 
	end_ns BIGINT NOT NULL, 
	id VARCHAR(64) NOT NULL, 
	metering_point VARCHAR(64) NOT NULL, 
	meter VARCHAR(32) NOT NULL, 
	revision BIGINT NOT NULL, 
	replaces VARCHAR(64) NOT NULL, 
	in_octets BIGINT NOT NULL, 
	out_octets BIGINT NOT NULL, 
	evidence VARCHAR(64) NOT NULL, 
	content VARCHAR(64) NOT NULL, 
	CONSTRAINT pk_usage_record PRIMARY KEY (tenant, source, seq), 
	CONSTRAINT uq_usage_record_tenant_start_ns_id UNIQUE (tenant, start_ns, id)
);
CREATE INDEX ix_usage_record_tenant_metering_point_meter_start_ns ON usage_record (tenant, metering_point, meter, start_ns);
CREATE TABLE usage_rejected (
	tenant INTEGER NOT NULL, 
	source VARCHAR(64) NOT NULL, 
	seq BIGINT NOT NULL, 
	chain VARCHAR(64) NOT NULL, 
	known_ns BIGINT NOT NULL, 
	record_id VARCHAR(64) NOT NULL, 
	kind VARCHAR(32) NOT NULL, 
	reason VARCHAR(64) NOT NULL, 
	content BLOB NOT NULL, 
	CONSTRAINT pk_usage_rejected PRIMARY KEY (tenant, source, seq)
);
CREATE TABLE usage_tally (
	tenant INTEGER NOT NULL, 
	source VARCHAR(64) NOT NULL, 
	verdict VARCHAR(32) NOT NULL, 
	reason VARCHAR(64) NOT NULL, 
	n BIGINT NOT NULL, 
	CONSTRAINT pk_usage_tally PRIMARY KEY (tenant, source, verdict, reason)
);
CREATE TABLE vault_key (
	tenant INTEGER NOT NULL, 
	no INTEGER NOT NULL, 
	wrapped BLOB NOT NULL, 
	created_ns BIGINT NOT NULL, 
	CONSTRAINT pk_vault_key PRIMARY KEY (tenant, no)
);
CREATE TABLE vault_secret (
	tenant INTEGER NOT NULL, 
	name VARCHAR(128) NOT NULL, 
	sealed BLOB NOT NULL, 
	changed_ns BIGINT NOT NULL, 
	CONSTRAINT pk_vault_secret PRIMARY KEY (tenant, name)
);
CREATE TABLE webhook (
	tenant INTEGER NOT NULL, 
	id VARCHAR(36) NOT NULL, 
	name VARCHAR(64) NOT NULL, 
	url VARCHAR(2048) NOT NULL, 
	format VARCHAR(32) NOT NULL, 
	template TEXT NOT NULL, 
	content_type VARCHAR(128) NOT NULL, 
	about VARCHAR(16) NOT NULL, 
	severity SMALLINT NOT NULL, 
	filter VARCHAR(1024) NOT NULL, 
	enabled SMALLINT NOT NULL, 
	created_ns BIGINT NOT NULL, options TEXT DEFAULT '{}' NOT NULL, 
	CONSTRAINT pk_webhook PRIMARY KEY (tenant, id), 
	CONSTRAINT uq_webhook_tenant_name UNIQUE (tenant, name)
);
CREATE TABLE device (
	tenant INTEGER NOT NULL, 
	no INTEGER NOT NULL PRIMARY KEY AUTOINCREMENT, 
	id VARCHAR(36) NOT NULL, 
	identity VARCHAR(255) NOT NULL, 
	site_id VARCHAR(36), 
	name VARCHAR(255) NOT NULL, 
	management_address VARCHAR(64) NOT NULL, 
	snmp_port INTEGER NOT NULL, 
	credential VARCHAR(64) NOT NULL, 
	sys_object_id VARCHAR(255) NOT NULL, 
	sys_descr TEXT NOT NULL, 
	chassis_id VARCHAR(255) NOT NULL, 
	engine_id VARCHAR(64) NOT NULL, 
	serial VARCHAR(255) NOT NULL, 
	vendor VARCHAR(64) NOT NULL, 
	model VARCHAR(255) NOT NULL, 
	profile VARCHAR(64) NOT NULL, 
	role VARCHAR(32) NOT NULL, 
	simulated BOOLEAN NOT NULL, 
	status VARCHAR(16) NOT NULL, 
	last_seen_ns BIGINT NOT NULL, 
	discovered_ns BIGINT NOT NULL, vrf VARCHAR(64) DEFAULT '' NOT NULL, 
	CONSTRAINT fk_device_site_id_site FOREIGN KEY(site_id) REFERENCES site (id), 
	CONSTRAINT uq_device_tenant_id UNIQUE (tenant, id), 
	CONSTRAINT uq_device_tenant_identity UNIQUE (tenant, identity)
);
CREATE TABLE login_session (
	tenant INTEGER NOT NULL, 
	id_hash VARCHAR(64) NOT NULL, 
	account_id VARCHAR(36) NOT NULL, 
	created_ns BIGINT NOT NULL, 
	seen_ns BIGINT NOT NULL, 
	CONSTRAINT pk_login_session PRIMARY KEY (id_hash), 
	CONSTRAINT fk_login_session_account_id_account FOREIGN KEY(account_id) REFERENCES account (id)
);
CREATE INDEX ix_login_session_account_id ON login_session (account_id);
CREATE TABLE service (
	tenant INTEGER NOT NULL, 
	id VARCHAR(36) NOT NULL, 
	number VARCHAR(64) NOT NULL, 
	name VARCHAR(255) NOT NULL, 
	customer_id VARCHAR(36) NOT NULL, 
	kind VARCHAR(32) NOT NULL, 
	tariff VARCHAR(64) NOT NULL, 
	sla VARCHAR(64) NOT NULL, 
	active_from_ns BIGINT NOT NULL, 
	active_to_ns BIGINT NOT NULL, 
	CONSTRAINT pk_service PRIMARY KEY (id), 
	CONSTRAINT fk_service_customer_id_customer FOREIGN KEY(customer_id) REFERENCES customer (id), 
	CONSTRAINT uq_service_tenant_number UNIQUE (tenant, number)
);
CREATE TABLE device_address (
	tenant INTEGER NOT NULL, 
	address VARCHAR(64) NOT NULL, 
	device_no INTEGER NOT NULL, 
	CONSTRAINT pk_device_address PRIMARY KEY (tenant, address), 
	CONSTRAINT fk_device_address_device_no_device FOREIGN KEY(device_no) REFERENCES device (no)
);
CREATE TABLE entity (
	tenant INTEGER NOT NULL, 
	device_no INTEGER NOT NULL, 
	entity_no INTEGER NOT NULL, 
	id VARCHAR(36) NOT NULL, 
	kind VARCHAR(16) NOT NULL, 
	name VARCHAR(255) NOT NULL, 
	descr VARCHAR(255) NOT NULL, 
	alias VARCHAR(255) NOT NULL, 
	if_index INTEGER NOT NULL, 
	if_type INTEGER NOT NULL, 
	speed_bps BIGINT NOT NULL, 
	mac VARCHAR(32) NOT NULL, 
	admin_status INTEGER NOT NULL, 
	oper_status INTEGER NOT NULL, 
	oid VARCHAR(255) NOT NULL, 
	scale FLOAT NOT NULL, 
	metric INTEGER NOT NULL, 
	parent_entity_no INTEGER NOT NULL, 
	gone_ns BIGINT NOT NULL, 
	CONSTRAINT pk_entity PRIMARY KEY (tenant, device_no, entity_no), 
	CONSTRAINT fk_entity_device_no_device FOREIGN KEY(device_no) REFERENCES device (no), 
	CONSTRAINT uq_entity_tenant_device_no_kind_name UNIQUE (tenant, device_no, kind, name), 
	CONSTRAINT uq_entity_tenant_id UNIQUE (tenant, id)
);
CREATE TABLE lldp_neighbour (
	tenant INTEGER NOT NULL, 
	device_no INTEGER NOT NULL, 
	"key" VARCHAR(64) NOT NULL, 
	protocol VARCHAR(8) NOT NULL, 
	local_if_index INTEGER NOT NULL, 
	local_port VARCHAR(255) NOT NULL, 
	remote_chassis_id VARCHAR(255) NOT NULL, 
	remote_port VARCHAR(255) NOT NULL, 
	remote_port_descr VARCHAR(255) NOT NULL, 
	remote_name VARCHAR(255) NOT NULL, 
	remote_address VARCHAR(64) NOT NULL, 
	CONSTRAINT pk_lldp_neighbour PRIMARY KEY (tenant, device_no, "key"), 
	CONSTRAINT fk_lldp_neighbour_device_no_device FOREIGN KEY(device_no) REFERENCES device (no)
);
CREATE TABLE pending_binding (
	tenant INTEGER NOT NULL, 
	service_id VARCHAR(36) NOT NULL, 
	device_name VARCHAR(255) NOT NULL, 
	interface_name VARCHAR(255) NOT NULL, 
	role VARCHAR(32) NOT NULL, 
	valid_from_ns BIGINT NOT NULL, 
	valid_to_ns BIGINT NOT NULL, 
	CONSTRAINT pk_pending_binding PRIMARY KEY (tenant, service_id, device_name, interface_name, valid_from_ns), 
	CONSTRAINT fk_pending_binding_service_id_service FOREIGN KEY(service_id) REFERENCES service (id)
);
CREATE TABLE service_binding (
	tenant INTEGER NOT NULL, 
	id VARCHAR(36) NOT NULL, 
	service_id VARCHAR(36) NOT NULL, 
	device_no INTEGER NOT NULL, 
	entity_no INTEGER NOT NULL, 
	role VARCHAR(32) NOT NULL, 
	valid_from_ns BIGINT NOT NULL, 
	valid_to_ns BIGINT NOT NULL, 
	CONSTRAINT pk_service_binding PRIMARY KEY (id), 
	CONSTRAINT fk_service_binding_service_id_service FOREIGN KEY(service_id) REFERENCES service (id), 
	CONSTRAINT uq_service_binding_tenant_service_id_device_no_entity_no_valid_from_ns UNIQUE (tenant, service_id, device_no, entity_no, valid_from_ns)
);
CREATE TABLE unresolved_neighbour (
	tenant INTEGER NOT NULL, 
	device_no INTEGER NOT NULL, 
	entity_no INTEGER NOT NULL, 
	"key" VARCHAR(64) NOT NULL, 
	remote_name VARCHAR(255) NOT NULL, 
	remote_port VARCHAR(255) NOT NULL, 
	remote_chassis_id VARCHAR(255) NOT NULL, 
	remote_address VARCHAR(64) NOT NULL, 
	why VARCHAR(64) NOT NULL, 
	CONSTRAINT pk_unresolved_neighbour PRIMARY KEY (tenant, device_no, "key"), 
	CONSTRAINT fk_unresolved_neighbour_device_no_device FOREIGN KEY(device_no) REFERENCES device (no)
);
CREATE TABLE account_lock (
	tenant INTEGER NOT NULL, 
	customer_id VARCHAR(36) NOT NULL, 
	CONSTRAINT pk_account_lock PRIMARY KEY (tenant, customer_id)
);
CREATE TABLE allocation (
	tenant INTEGER NOT NULL, 
	customer_id VARCHAR(36) NOT NULL, 
	seq BIGINT NOT NULL, 
	source_kind VARCHAR(10) NOT NULL, 
	source_id VARCHAR(36) NOT NULL, 
	use_kind VARCHAR(10) NOT NULL, 
	use_id VARCHAR(36) NOT NULL, 
	amount_minor BIGINT NOT NULL, 
	cause VARCHAR(32) NOT NULL, 
	at_ns BIGINT NOT NULL, 
	allocated_by VARCHAR(64) NOT NULL, 
	CONSTRAINT pk_allocation PRIMARY KEY (tenant, customer_id, seq), 
	CONSTRAINT ck_allocation_not_nothing CHECK (amount_minor <> 0)
);
CREATE INDEX ix_allocation_tenant_use_id ON allocation (tenant, use_id);
CREATE TABLE balance_bucket (
	tenant INTEGER NOT NULL, 
	id VARCHAR(36) NOT NULL, 
	owner VARCHAR(36) NOT NULL, 
	unit VARCHAR(32) NOT NULL, 
	amount BIGINT NOT NULL, 
	held BIGINT NOT NULL, 
	expires_ns BIGINT NOT NULL, 
	created_ns BIGINT NOT NULL, 
	CONSTRAINT pk_balance_bucket PRIMARY KEY (tenant, id), 
	CONSTRAINT ck_balance_bucket_never_below_nothing CHECK (held >= 0 AND amount >= held)
);
CREATE INDEX ix_balance_bucket_tenant_owner_unit ON balance_bucket (tenant, owner, unit);
CREATE TABLE balance_hold (
	tenant INTEGER NOT NULL, 
	hold_id VARCHAR(36) NOT NULL, 
	bucket_id VARCHAR(36) NOT NULL, 
	owner VARCHAR(36) NOT NULL, 
	reserved BIGINT NOT NULL, 
	used BIGINT NOT NULL, 
	state VARCHAR(16) NOT NULL, 
	expires_ns BIGINT NOT NULL, 
	CONSTRAINT pk_balance_hold PRIMARY KEY (tenant, hold_id, bucket_id)
);
CREATE INDEX ix_balance_hold_tenant_owner_state ON balance_hold (tenant, owner, state);
CREATE TABLE balance_step (
	tenant INTEGER NOT NULL, 
	id VARCHAR(36) NOT NULL, 
	hold_id VARCHAR(36) NOT NULL, 
	state VARCHAR(16) NOT NULL, 
	at_ns BIGINT NOT NULL, 
	CONSTRAINT pk_balance_step PRIMARY KEY (tenant, id)
);
CREATE TABLE billing_profile (
	tenant INTEGER NOT NULL, 
	customer_id VARCHAR(36) NOT NULL, 
	country VARCHAR(2) NOT NULL, 
	tax_category VARCHAR(2) NOT NULL, 
	buyer_reference VARCHAR(100) NOT NULL, payer_id VARCHAR(36) DEFAULT '' NOT NULL, cycle VARCHAR(32) DEFAULT '' NOT NULL, time_zone VARCHAR(64) DEFAULT '' NOT NULL, legal_entity VARCHAR(32) DEFAULT '' NOT NULL, tax_jurisdiction VARCHAR(16) DEFAULT '' NOT NULL, 
	CONSTRAINT pk_billing_profile PRIMARY KEY (tenant, customer_id)
);
CREATE TABLE credit_note (
	tenant INTEGER NOT NULL, 
	id VARCHAR(36) NOT NULL, 
	series VARCHAR(32) NOT NULL, 
	seq BIGINT NOT NULL, 
	number VARCHAR(48) NOT NULL, 
	invoice_id VARCHAR(36) NOT NULL, 
	customer_id VARCHAR(36) NOT NULL, 
	gross_minor BIGINT NOT NULL, 
	issued_ns BIGINT NOT NULL, 
	proposed_by VARCHAR(64) NOT NULL, 
	approved_by VARCHAR(64) NOT NULL, 
	document TEXT NOT NULL, 
	sha256 VARCHAR(64) NOT NULL, 
	CONSTRAINT pk_credit_note PRIMARY KEY (tenant, id), 
	CONSTRAINT uq_credit_note_tenant_series_seq UNIQUE (tenant, series, seq)
);
CREATE INDEX ix_credit_note_tenant_invoice_id ON credit_note (tenant, invoice_id);
CREATE TABLE credit_proposal (
	tenant INTEGER NOT NULL, 
	id VARCHAR(36) NOT NULL, 
	invoice_id VARCHAR(36) NOT NULL, 
	lines TEXT NOT NULL, 
	reason VARCHAR(255) NOT NULL, 
	proposed_by VARCHAR(64) NOT NULL, 
	proposed_ns BIGINT NOT NULL, 
	state VARCHAR(16) NOT NULL, 
	decided_by VARCHAR(64) NOT NULL, 
	decided_ns BIGINT NOT NULL, 
	CONSTRAINT pk_credit_proposal PRIMARY KEY (tenant, id)
);
CREATE TABLE ledger_entry (
	tenant INTEGER NOT NULL, 
	id VARCHAR(64) NOT NULL, 
	kind VARCHAR(32) NOT NULL, 
	source VARCHAR(64) NOT NULL, 
	day VARCHAR(10) NOT NULL, 
	currency VARCHAR(3) NOT NULL, 
	words VARCHAR(255) NOT NULL, 
	party VARCHAR(36) NOT NULL, 
	booked_ns BIGINT NOT NULL, meant VARCHAR(10) DEFAULT '' NOT NULL, 
	CONSTRAINT pk_ledger_entry PRIMARY KEY (tenant, id)
);
CREATE INDEX ix_ledger_entry_tenant_day ON ledger_entry (tenant, day);
CREATE INDEX ix_ledger_entry_tenant_party ON ledger_entry (tenant, party);
CREATE TABLE ledger_transfer (
	tenant INTEGER NOT NULL, 
	entry_id VARCHAR(64) NOT NULL, 
	no INTEGER NOT NULL, 
	debit VARCHAR(64) NOT NULL, 
	credit VARCHAR(64) NOT NULL, 
	amount_minor BIGINT NOT NULL, 
	CONSTRAINT pk_ledger_transfer PRIMARY KEY (tenant, entry_id, no), 
	CONSTRAINT ck_ledger_transfer_above_nothing CHECK (amount_minor > 0), 
	CONSTRAINT ck_ledger_transfer_two_accounts CHECK (debit <> credit)
);
CREATE TABLE maintenance_window (
	tenant INTEGER NOT NULL, 
	id VARCHAR(36) NOT NULL, 
	reason VARCHAR(1024) NOT NULL, 
	owner VARCHAR(255) NOT NULL, 
	targets TEXT NOT NULL, 
	starts VARCHAR(32) NOT NULL, 
	zone VARCHAR(64) NOT NULL, 
	duration_s INTEGER NOT NULL, 
	rule VARCHAR(512) NOT NULL, 
	counts_for_sla SMALLINT NOT NULL, 
	created_ns BIGINT NOT NULL, 
	created_by VARCHAR(255) NOT NULL, 
	ended_ns BIGINT NOT NULL, 
	CONSTRAINT pk_maintenance_window PRIMARY KEY (tenant, id)
);
CREATE TABLE money_proposal (
	tenant INTEGER NOT NULL, 
	id VARCHAR(36) NOT NULL, 
	kind VARCHAR(10) NOT NULL, 
	customer_id VARCHAR(36) NOT NULL, 
	subject_kind VARCHAR(10) NOT NULL, 
	subject_id VARCHAR(36) NOT NULL, 
	currency VARCHAR(3) NOT NULL, 
	amount_minor BIGINT NOT NULL, 
	reference VARCHAR(128) NOT NULL, 
	reason VARCHAR(255) NOT NULL, 
	proposed_by VARCHAR(64) NOT NULL, 
	proposed_ns BIGINT NOT NULL, 
	state VARCHAR(10) NOT NULL, 
	decided_by VARCHAR(64) NOT NULL, 
	decided_ns BIGINT NOT NULL, 
	CONSTRAINT pk_money_proposal PRIMARY KEY (tenant, id), 
	CONSTRAINT ck_money_proposal_above_nothing CHECK (amount_minor > 0), 
	CONSTRAINT uq_money_proposal_tenant_kind_reference UNIQUE (tenant, kind, reference)
);
CREATE INDEX ix_money_proposal_tenant_customer_id ON money_proposal (tenant, customer_id);
CREATE TABLE payment (
	tenant INTEGER NOT NULL, 
	id VARCHAR(36) NOT NULL, 
	reference VARCHAR(128) NOT NULL, 
	customer_id VARCHAR(36) NOT NULL, 
	currency VARCHAR(3) NOT NULL, 
	amount_minor BIGINT NOT NULL, 
	method VARCHAR(32) NOT NULL, 
	token VARCHAR(128) NOT NULL, 
	day VARCHAR(10) NOT NULL, 
	words VARCHAR(255) NOT NULL, 
	recorded_ns BIGINT NOT NULL, 
	recorded_by VARCHAR(64) NOT NULL, 
	CONSTRAINT pk_payment PRIMARY KEY (tenant, id), 
	CONSTRAINT ck_payment_above_nothing CHECK (amount_minor > 0), 
	CONSTRAINT uq_payment_tenant_reference UNIQUE (tenant, reference)
);
CREATE INDEX ix_payment_tenant_customer_id ON payment (tenant, customer_id);
CREATE TABLE payment_reversal (
	tenant INTEGER NOT NULL, 
	payment_id VARCHAR(36) NOT NULL, 
	kind VARCHAR(16) NOT NULL, 
	reason VARCHAR(255) NOT NULL, 
	at_ns BIGINT NOT NULL, 
	reversed_by VARCHAR(64) NOT NULL, 
	CONSTRAINT pk_payment_reversal PRIMARY KEY (tenant, payment_id)
);
CREATE TABLE receivable (
	tenant INTEGER NOT NULL, 
	id VARCHAR(36) NOT NULL, 
	kind VARCHAR(8) NOT NULL, 
	number VARCHAR(48) NOT NULL, 
	customer_id VARCHAR(36) NOT NULL, 
	currency VARCHAR(3) NOT NULL, 
	amount_minor BIGINT NOT NULL, 
	issued_on VARCHAR(10) NOT NULL, 
	due_on VARCHAR(10) NOT NULL, 
	CONSTRAINT pk_receivable PRIMARY KEY (tenant, id)
);
CREATE INDEX ix_receivable_tenant_customer_id ON receivable (tenant, customer_id);
CREATE INDEX ix_receivable_tenant_due_on ON receivable (tenant, due_on);
CREATE TABLE tmf_event (
	tenant INTEGER NOT NULL, 
	seq BIGINT NOT NULL, 
	id VARCHAR(36) NOT NULL, 
	api VARCHAR(64) NOT NULL, 
	customer_id VARCHAR(36) NOT NULL, 
	at_ns BIGINT NOT NULL, 
	body TEXT NOT NULL, 
	CONSTRAINT pk_tmf_event PRIMARY KEY (tenant, seq)
);
CREATE TABLE tmf_head (
	tenant INTEGER NOT NULL, 
	seq BIGINT NOT NULL, 
	CONSTRAINT pk_tmf_head PRIMARY KEY (tenant)
);
CREATE TABLE tmf_hub (
	tenant INTEGER NOT NULL, 
	id VARCHAR(36) NOT NULL, 
	api VARCHAR(64) NOT NULL, 
	callback VARCHAR(2048) NOT NULL, 
	"query" VARCHAR(2048) NOT NULL, 
	customers TEXT NOT NULL, 
	created_ns BIGINT NOT NULL, 
	created_by VARCHAR(64) NOT NULL, 
	sent_seq BIGINT NOT NULL, 
	failures INTEGER NOT NULL, 
	next_ns BIGINT NOT NULL, 
	CONSTRAINT pk_tmf_hub PRIMARY KEY (tenant, id)
);
CREATE TABLE usage_event (
	tenant INTEGER NOT NULL, 
	source VARCHAR(64) NOT NULL, 
	batch BIGINT NOT NULL, 
	known_ns BIGINT NOT NULL, 
	id VARCHAR(64) NOT NULL, 
	external_id VARCHAR(255) NOT NULL, 
	meter VARCHAR(32) NOT NULL, 
	service VARCHAR(64) NOT NULL, 
	start_ns BIGINT NOT NULL, 
	quantity BIGINT NOT NULL, 
	"key" VARCHAR(64) NOT NULL, 
	state VARCHAR(16) NOT NULL, 
	reason VARCHAR(64) NOT NULL, 
	service_id VARCHAR(36) NOT NULL, 
	customer_id VARCHAR(36) NOT NULL, 
	CONSTRAINT pk_usage_event PRIMARY KEY (tenant, id)
);
CREATE INDEX ix_usage_event_tenant_source_batch ON usage_event (tenant, source, batch);
CREATE INDEX ix_usage_event_tenant_start_ns_id ON usage_event (tenant, start_ns, id);
CREATE TABLE usage_event_batch (
	tenant INTEGER NOT NULL, 
	source VARCHAR(64) NOT NULL, 
	seq BIGINT NOT NULL, 
	chain VARCHAR(64) NOT NULL, 
	known_ns BIGINT NOT NULL, 
	n BIGINT NOT NULL, 
	sha256 VARCHAR(64) NOT NULL, 
	CONSTRAINT pk_usage_event_batch PRIMARY KEY (tenant, source, seq)
);
CREATE TABLE usage_event_guiding (
	tenant INTEGER NOT NULL, 
	source VARCHAR(64) NOT NULL, 
	seq BIGINT NOT NULL, 
	chain VARCHAR(64) NOT NULL, 
	known_ns BIGINT NOT NULL, 
	start_ns BIGINT NOT NULL, 
	record_id VARCHAR(64) NOT NULL, 
	guide_rev BIGINT NOT NULL, 
	state VARCHAR(16) NOT NULL, 
	reason VARCHAR(64) NOT NULL, 
	service_id VARCHAR(36) NOT NULL, 
	customer_id VARCHAR(36) NOT NULL, 
	since_ns BIGINT NOT NULL, 
	CONSTRAINT pk_usage_event_guiding PRIMARY KEY (tenant, source, seq), 
	CONSTRAINT uq_usage_event_guiding_tenant_start_ns_record_id_guide_rev UNIQUE (tenant, start_ns, record_id, guide_rev)
);
CREATE TABLE usage_session (
	tenant INTEGER NOT NULL, 
	nas VARCHAR(255) NOT NULL, 
	session VARCHAR(255) NOT NULL, 
	instance BIGINT NOT NULL, 
	service VARCHAR(64) NOT NULL, 
	state VARCHAR(16) NOT NULL, 
	start_ns BIGINT NOT NULL, 
	last_ns BIGINT NOT NULL, 
	in_octets BIGINT NOT NULL, 
	out_octets BIGINT NOT NULL, 
	seconds BIGINT NOT NULL, 
	CONSTRAINT pk_usage_session PRIMARY KEY (tenant, nas, session, instance)
);
CREATE INDEX ix_usage_session_tenant_last_ns ON usage_session (tenant, last_ns);
CREATE TABLE interface_address (
	tenant INTEGER NOT NULL, 
	device_no INTEGER NOT NULL, 
	address VARCHAR(64) NOT NULL, 
	if_index INTEGER NOT NULL, 
	prefix_length INTEGER NOT NULL, 
	CONSTRAINT pk_interface_address PRIMARY KEY (tenant, device_no, address), 
	CONSTRAINT fk_interface_address_device_no_device FOREIGN KEY(device_no) REFERENCES device (no)
);
CREATE INDEX ix_device_tenant_chassis_id ON device (tenant, chassis_id);
CREATE INDEX ix_device_tenant_engine_id ON device (tenant, engine_id);
CREATE INDEX ix_device_tenant_management_address ON device (tenant, management_address);
CREATE INDEX ix_device_tenant_serial ON device (tenant, serial);
CREATE INDEX ix_device_address_tenant_device_no ON device_address (tenant, device_no);
CREATE TABLE measurement_file (
	tenant INTEGER NOT NULL, 
	id VARCHAR(36) NOT NULL, 
	job_id VARCHAR(36) NOT NULL, 
	begins_ns BIGINT NOT NULL, 
	ends_ns BIGINT NOT NULL, 
	rows INTEGER NOT NULL, 
	sha256 VARCHAR(64) NOT NULL, 
	made_ns BIGINT NOT NULL, 
	CONSTRAINT pk_measurement_file PRIMARY KEY (tenant, id)
);
CREATE INDEX ix_measurement_file_tenant_job_id_ends_ns ON measurement_file (tenant, job_id, ends_ns);
CREATE TABLE notify_escalation (
	tenant INTEGER NOT NULL, 
	object_id VARCHAR(36) NOT NULL, 
	opened_revision INTEGER NOT NULL, 
	chain VARCHAR(64) NOT NULL, 
	begun_ns BIGINT NOT NULL, 
	step INTEGER NOT NULL, 
	due_ns BIGINT NOT NULL, 
	state VARCHAR(16) NOT NULL, 
	body TEXT NOT NULL, 
	about VARCHAR(16) NOT NULL, 
	CONSTRAINT pk_notify_escalation PRIMARY KEY (tenant, object_id, opened_revision)
);
CREATE INDEX ix_notify_escalation_due ON notify_escalation (tenant, state, due_ns);
CREATE TABLE notify_plan (
	tenant INTEGER NOT NULL, 
	revision INTEGER NOT NULL, 
	body TEXT NOT NULL, 
	created_ns BIGINT NOT NULL, 
	created_by VARCHAR(255) NOT NULL, 
	CONSTRAINT pk_notify_plan PRIMARY KEY (tenant, revision)
);
CREATE TABLE notify_ticket (
	tenant INTEGER NOT NULL, 
	webhook_id VARCHAR(36) NOT NULL, 
	object_id VARCHAR(36) NOT NULL, 
	ticket VARCHAR(128) NOT NULL, 
	created_ns BIGINT NOT NULL, 
	closed_ns BIGINT NOT NULL, 
	CONSTRAINT pk_notify_ticket PRIMARY KEY (tenant, webhook_id, object_id)
);
CREATE INDEX ix_notify_ticket_object ON notify_ticket (tenant, object_id);
CREATE TABLE notify_used_link (
	tenant INTEGER NOT NULL, 
	link VARCHAR(64) NOT NULL, 
	at_ns BIGINT NOT NULL, 
	expires_ns BIGINT NOT NULL, 
	CONSTRAINT pk_notify_used_link PRIMARY KEY (tenant, link)
);
CREATE TABLE sla_exclusion (
	tenant INTEGER NOT NULL, 
	id VARCHAR(36) NOT NULL, 
	cause VARCHAR(32) NOT NULL, 
	reason VARCHAR(1024) NOT NULL, 
	target_kind VARCHAR(16) NOT NULL, 
	target_id VARCHAR(36) NOT NULL, 
	begins_ns BIGINT NOT NULL, 
	ends_ns BIGINT NOT NULL, 
	state VARCHAR(16) NOT NULL, 
	proposed_by VARCHAR(255) NOT NULL, 
	proposed_ns BIGINT NOT NULL, 
	decided_by VARCHAR(255) NOT NULL, 
	decided_ns BIGINT NOT NULL, 
	CONSTRAINT pk_sla_exclusion PRIMARY KEY (tenant, id)
);
CREATE INDEX ix_sla_exclusion_tenant_begins_ns ON sla_exclusion (tenant, begins_ns);
CREATE TABLE tmf_document (
	tenant INTEGER NOT NULL, 
	api VARCHAR(64) NOT NULL, 
	kind VARCHAR(64) NOT NULL, 
	id VARCHAR(36) NOT NULL, 
	customer_id VARCHAR(36) NOT NULL, 
	created_ns BIGINT NOT NULL, 
	changed_ns BIGINT NOT NULL, 
	body TEXT NOT NULL, 
	CONSTRAINT pk_tmf_document PRIMARY KEY (tenant, api, kind, id)
);
CREATE TABLE bank_entry (
	tenant INTEGER NOT NULL, 
	id VARCHAR(36) NOT NULL, 
	statement_id VARCHAR(64) NOT NULL, 
	no INTEGER NOT NULL, 
	day VARCHAR(10) NOT NULL, 
	currency VARCHAR(3) NOT NULL, 
	amount_minor BIGINT NOT NULL, 
	end_to_end_id VARCHAR(35) NOT NULL, 
	part_id VARCHAR(35) NOT NULL, 
	mandate_id VARCHAR(35) NOT NULL, 
	words VARCHAR(1024) NOT NULL, 
	name VARCHAR(140) NOT NULL, 
	iban VARCHAR(34) NOT NULL, 
	return_code VARCHAR(35) NOT NULL, 
	state VARCHAR(12) NOT NULL, 
	reason VARCHAR(255) NOT NULL, 
	customer_id VARCHAR(36) NOT NULL, 
	"by" VARCHAR(16) NOT NULL, 
	CONSTRAINT pk_bank_entry PRIMARY KEY (tenant, id)
);
CREATE INDEX ix_bank_entry_tenant_state ON bank_entry (tenant, state);
CREATE TABLE bank_statement (
	tenant INTEGER NOT NULL, 
	id VARCHAR(64) NOT NULL, 
	account VARCHAR(34) NOT NULL, 
	number VARCHAR(64) NOT NULL, 
	currency VARCHAR(3) NOT NULL, 
	opening_minor BIGINT NOT NULL, 
	closing_minor BIGINT NOT NULL, 
	entries INTEGER NOT NULL, 
	sha256 VARCHAR(64) NOT NULL, 
	imported_ns BIGINT NOT NULL, 
	imported_by VARCHAR(64) NOT NULL, 
	CONSTRAINT pk_bank_statement PRIMARY KEY (tenant, id)
);
CREATE TABLE bill_run_hold (
	tenant INTEGER NOT NULL, 
	period VARCHAR(64) NOT NULL, 
	sums TEXT NOT NULL, 
	held_by VARCHAR(64) NOT NULL, 
	held_ns BIGINT NOT NULL, 
	approved_by VARCHAR(64) DEFAULT '' NOT NULL, 
	approved_ns BIGINT DEFAULT '0' NOT NULL, 
	CONSTRAINT pk_bill_run_hold PRIMARY KEY (tenant, period)
);
CREATE TABLE bill_split (
	tenant INTEGER NOT NULL, 
	service_id VARCHAR(36) NOT NULL, 
	payer_id VARCHAR(36) NOT NULL, 
	charges VARCHAR(255) DEFAULT '' NOT NULL, 
	share_ppm INTEGER NOT NULL, 
	CONSTRAINT pk_bill_split PRIMARY KEY (tenant, service_id, payer_id)
);
CREATE TABLE billed_period (
	tenant INTEGER NOT NULL, 
	customer_id VARCHAR(36) NOT NULL, 
	start_ns BIGINT NOT NULL, 
	end_ns BIGINT NOT NULL, 
	period VARCHAR(64) NOT NULL, 
	CONSTRAINT pk_billed_period PRIMARY KEY (tenant, customer_id, start_ns)
);
CREATE INDEX ix_billed_period_tenant_period ON billed_period (tenant, period);
CREATE TABLE bus_place (
	tenant INTEGER NOT NULL, 
	kind VARCHAR(16) NOT NULL, 
	collector VARCHAR(36) NOT NULL, 
	epoch VARCHAR(32) NOT NULL, 
	place BIGINT NOT NULL, 
	CONSTRAINT pk_bus_place PRIMARY KEY (tenant, kind, collector, epoch)
);
CREATE TABLE collector (
	tenant INTEGER NOT NULL, 
	id VARCHAR(36) NOT NULL, 
	name VARCHAR(64) NOT NULL, 
	vrf VARCHAR(64) NOT NULL, 
	sites TEXT NOT NULL, 
	ranges TEXT NOT NULL, 
	credentials TEXT NOT NULL, 
	site VARCHAR(255) NOT NULL, 
	token_hash VARCHAR(64) NOT NULL, 
	token_expires_ns BIGINT NOT NULL, 
	user_key VARCHAR(64) NOT NULL, 
	box_key VARCHAR(64) NOT NULL, 
	created_ns BIGINT NOT NULL, 
	enrolled_ns BIGINT NOT NULL, 
	revoked_ns BIGINT NOT NULL, 
	CONSTRAINT pk_collector PRIMARY KEY (id), 
	CONSTRAINT uq_collector_tenant_name UNIQUE (tenant, name)
);
CREATE TABLE customer_notice (
	tenant INTEGER NOT NULL, 
	id VARCHAR(36) NOT NULL, 
	incident_id VARCHAR(36) NOT NULL, 
	customer_id VARCHAR(36) NOT NULL, 
	customer VARCHAR(255) NOT NULL, 
	kind VARCHAR(8) NOT NULL, 
	state VARCHAR(8) NOT NULL, 
	recipient VARCHAR(1024) NOT NULL, 
	subject VARCHAR(255) NOT NULL, 
	text TEXT NOT NULL, 
	created_ns BIGINT NOT NULL, 
	created_by VARCHAR(255) NOT NULL, 
	done_ns BIGINT NOT NULL, 
	done_by VARCHAR(255) NOT NULL, 
	message_id VARCHAR(36) NOT NULL, 
	CONSTRAINT pk_customer_notice PRIMARY KEY (tenant, id)
);
CREATE INDEX ix_customer_notice_incident ON customer_notice (tenant, incident_id);
CREATE TABLE debit_batch (
	tenant INTEGER NOT NULL, 
	id VARCHAR(35) NOT NULL, 
	collect_on VARCHAR(10) NOT NULL, 
	n INTEGER NOT NULL, 
	sum_minor BIGINT NOT NULL, 
	document TEXT NOT NULL, 
	sha256 VARCHAR(64) NOT NULL, 
	created_ns BIGINT NOT NULL, 
	created_by VARCHAR(64) NOT NULL, 
	CONSTRAINT pk_debit_batch PRIMARY KEY (tenant, id)
);
CREATE TABLE debit_item (
	tenant INTEGER NOT NULL, 
	id VARCHAR(35) NOT NULL, 
	batch_id VARCHAR(35) NOT NULL, 
	part_id VARCHAR(35) NOT NULL, 
	mandate_id VARCHAR(35) NOT NULL, 
	sequence VARCHAR(4) NOT NULL, 
	customer_id VARCHAR(36) NOT NULL, 
	document_id VARCHAR(36) NOT NULL, 
	number VARCHAR(48) NOT NULL, 
	amount_minor BIGINT NOT NULL, 
	state VARCHAR(8) NOT NULL, 
	reason VARCHAR(64) NOT NULL, 
	payment_id VARCHAR(36) NOT NULL, 
	CONSTRAINT pk_debit_item PRIMARY KEY (tenant, id)
);
CREATE INDEX ix_debit_item_tenant_document_id ON debit_item (tenant, document_id);
CREATE INDEX ix_debit_item_tenant_mandate_id ON debit_item (tenant, mandate_id);
CREATE INDEX ix_debit_item_tenant_part_id ON debit_item (tenant, part_id);
CREATE TABLE discovery_run (
	tenant INTEGER NOT NULL, 
	id VARCHAR(36) NOT NULL, 
	ranges TEXT NOT NULL, 
	started_ns BIGINT NOT NULL, 
	ended_ns BIGINT NOT NULL, 
	total INTEGER NOT NULL, 
	new_devices INTEGER NOT NULL, 
	nobody INTEGER NOT NULL, 
	lines TEXT NOT NULL, 
	CONSTRAINT pk_discovery_run PRIMARY KEY (tenant, id)
);
CREATE TABLE dispute (
	tenant INTEGER NOT NULL, 
	id VARCHAR(36) NOT NULL, 
	invoice_id VARCHAR(36) NOT NULL, 
	customer_id VARCHAR(36) NOT NULL, 
	lines TEXT NOT NULL, 
	held_minor BIGINT NOT NULL, 
	currency VARCHAR(3) NOT NULL, 
	reason VARCHAR(255) NOT NULL, 
	opened_by VARCHAR(64) NOT NULL, 
	opened_ns BIGINT NOT NULL, 
	state VARCHAR(16) NOT NULL, 
	decided_by VARCHAR(64) DEFAULT '' NOT NULL, 
	decided_ns BIGINT DEFAULT '0' NOT NULL, 
	proposal_id VARCHAR(36) DEFAULT '' NOT NULL, 
	CONSTRAINT pk_dispute PRIMARY KEY (tenant, id)
);
CREATE INDEX ix_dispute_tenant_customer_id_state ON dispute (tenant, customer_id, state);
CREATE INDEX ix_dispute_tenant_invoice_id ON dispute (tenant, invoice_id);
CREATE TABLE dunning_case (
	tenant INTEGER NOT NULL, 
	customer_id VARCHAR(36) NOT NULL, 
	policy VARCHAR(64) NOT NULL, 
	stage INTEGER NOT NULL, 
	standing VARCHAR(16) NOT NULL, 
	paused VARCHAR(16) NOT NULL, 
	paused_on VARCHAR(10) NOT NULL, 
	paused_days INTEGER NOT NULL, 
	entered_on VARCHAR(10) NOT NULL, 
	seq INTEGER NOT NULL, 
	looked_on VARCHAR(10) NOT NULL, 
	looked_ns BIGINT NOT NULL, 
	looked_seq BIGINT NOT NULL, 
	CONSTRAINT pk_dunning_case PRIMARY KEY (tenant, customer_id)
);
CREATE TABLE dunning_hold (
	tenant INTEGER NOT NULL, 
	id VARCHAR(36) NOT NULL, 
	customer_id VARCHAR(36) NOT NULL, 
	kind VARCHAR(16) NOT NULL, 
	document_id VARCHAR(36) NOT NULL, 
	reason VARCHAR(255) NOT NULL, 
	from_ns BIGINT NOT NULL, 
	to_ns BIGINT NOT NULL, 
	placed_by VARCHAR(64) NOT NULL, 
	ended_by VARCHAR(64) NOT NULL, 
	CONSTRAINT pk_dunning_hold PRIMARY KEY (tenant, id)
);
CREATE INDEX ix_dunning_hold_tenant_customer_id ON dunning_hold (tenant, customer_id);
CREATE TABLE dunning_request (
	tenant INTEGER NOT NULL, 
	id VARCHAR(36) NOT NULL, 
	customer_id VARCHAR(36) NOT NULL, 
	service_id VARCHAR(36) NOT NULL, 
	seq INTEGER NOT NULL, 
	act VARCHAR(16) NOT NULL, 
	body TEXT NOT NULL, 
	state VARCHAR(12) NOT NULL, 
	attempts INTEGER NOT NULL, 
	next_ns BIGINT NOT NULL, 
	made_ns BIGINT NOT NULL, 
	done_ns BIGINT NOT NULL, 
	answer VARCHAR(255) NOT NULL, 
	CONSTRAINT pk_dunning_request PRIMARY KEY (tenant, id)
);
CREATE INDEX ix_dunning_request_tenant_customer_id ON dunning_request (tenant, customer_id);
CREATE INDEX ix_dunning_request_tenant_state_next_ns ON dunning_request (tenant, state, next_ns);
CREATE TABLE dunning_step (
	tenant INTEGER NOT NULL, 
	customer_id VARCHAR(36) NOT NULL, 
	seq INTEGER NOT NULL, 
	kind VARCHAR(16) NOT NULL, 
	stage INTEGER NOT NULL, 
	standing VARCHAR(16) NOT NULL, 
	cause VARCHAR(255) NOT NULL, 
	overdue TEXT NOT NULL, 
	at_ns BIGINT NOT NULL, 
	made_by VARCHAR(64) NOT NULL, 
	CONSTRAINT pk_dunning_step PRIMARY KEY (tenant, customer_id, seq)
);
CREATE TABLE erased_customer (
	tenant INTEGER NOT NULL, 
	customer_id VARCHAR(36) NOT NULL, 
	outcome VARCHAR(16) NOT NULL, 
	at_ns BIGINT NOT NULL, 
	erased_by VARCHAR(64) NOT NULL, 
	CONSTRAINT pk_erased_customer PRIMARY KEY (tenant, customer_id)
);
CREATE TABLE exchange_rate (
	tenant INTEGER NOT NULL, 
	day VARCHAR(10) NOT NULL, 
	base VARCHAR(3) NOT NULL, 
	quote VARCHAR(3) NOT NULL, 
	rate VARCHAR(40) NOT NULL, 
	source VARCHAR(64) NOT NULL, 
	made_ns BIGINT NOT NULL, 
	CONSTRAINT pk_exchange_rate PRIMARY KEY (tenant, day, base, quote)
);
CREATE TABLE fault_cause_edge (
	tenant INTEGER NOT NULL, 
	cause VARCHAR(128) NOT NULL, 
	effect VARCHAR(128) NOT NULL, 
	state VARCHAR(8) NOT NULL, 
	evidence TEXT NOT NULL, 
	proposed_ns BIGINT NOT NULL, 
	decided_by VARCHAR(255) NOT NULL, 
	decided_ns BIGINT NOT NULL, 
	reason TEXT NOT NULL, 
	CONSTRAINT pk_fault_cause_edge PRIMARY KEY (tenant, cause, effect)
);
CREATE TABLE incident_check (
	tenant INTEGER NOT NULL, 
	incident_id VARCHAR(36) NOT NULL, 
	at_ns BIGINT NOT NULL, 
	n SMALLINT NOT NULL, 
	root_id VARCHAR(255) NOT NULL, 
	kind VARCHAR(16) NOT NULL, 
	target VARCHAR(255) NOT NULL, 
	state VARCHAR(8) NOT NULL, 
	says TEXT NOT NULL, 
	CONSTRAINT pk_incident_check PRIMARY KEY (tenant, incident_id, at_ns, n)
);
CREATE TABLE leakage (
	tenant INTEGER NOT NULL, 
	id VARCHAR(64) NOT NULL, 
	period VARCHAR(64) NOT NULL, 
	customer_id VARCHAR(36) NOT NULL, 
	service_id VARCHAR(36) NOT NULL, 
	charge VARCHAR(64) NOT NULL, 
	amount_minor BIGINT NOT NULL, 
	currency VARCHAR(3) NOT NULL, 
	reason VARCHAR(255) NOT NULL, 
	run_period VARCHAR(64) NOT NULL, 
	noted_ns BIGINT NOT NULL, 
	CONSTRAINT pk_leakage PRIMARY KEY (tenant, id)
);
CREATE TABLE ledger_head (
	tenant INTEGER NOT NULL, 
	first_open VARCHAR(10) NOT NULL, 
	CONSTRAINT pk_ledger_head PRIMARY KEY (tenant)
);
CREATE TABLE ledger_period (
	tenant INTEGER NOT NULL, 
	month VARCHAR(7) NOT NULL, 
	closed_ns BIGINT NOT NULL, 
	closed_by VARCHAR(64) NOT NULL, 
	entries INTEGER NOT NULL, 
	balances TEXT NOT NULL, 
	sha256 VARCHAR(64) NOT NULL, 
	CONSTRAINT pk_ledger_period PRIMARY KEY (tenant, month)
);
CREATE TABLE one_off (
	tenant INTEGER NOT NULL, 
	id VARCHAR(36) NOT NULL, 
	customer_id VARCHAR(36) NOT NULL, 
	service_id VARCHAR(36) DEFAULT '' NOT NULL, 
	day VARCHAR(10) NOT NULL, 
	description VARCHAR(200) NOT NULL, 
	quantity VARCHAR(40) NOT NULL, 
	unit VARCHAR(32) NOT NULL, 
	unit_price VARCHAR(40) NOT NULL, 
	currency VARCHAR(3) NOT NULL, 
	tax_class VARCHAR(32) NOT NULL, 
	made_ns BIGINT NOT NULL, 
	made_by VARCHAR(64) NOT NULL, 
	CONSTRAINT pk_one_off PRIMARY KEY (tenant, id)
);
CREATE INDEX ix_one_off_tenant_customer_id ON one_off (tenant, customer_id);
CREATE TABLE party_consent (
	tenant INTEGER NOT NULL, 
	customer_id VARCHAR(36) NOT NULL, 
	purpose VARCHAR(64) NOT NULL, 
	seq INTEGER NOT NULL, 
	given BOOLEAN NOT NULL, 
	channel VARCHAR(64) NOT NULL, 
	words VARCHAR(255) NOT NULL, 
	at_ns BIGINT NOT NULL, 
	recorded_by VARCHAR(64) NOT NULL, 
	CONSTRAINT pk_party_consent PRIMARY KEY (tenant, customer_id, purpose, seq)
);
CREATE TABLE provider_event (
	tenant INTEGER NOT NULL, 
	provider VARCHAR(32) NOT NULL, 
	id VARCHAR(128) NOT NULL, 
	act VARCHAR(16) NOT NULL, 
	reference VARCHAR(128) NOT NULL, 
	said TEXT NOT NULL, 
	state VARCHAR(12) NOT NULL, 
	answer VARCHAR(255) NOT NULL, 
	heard_ns BIGINT NOT NULL, 
	CONSTRAINT pk_provider_event PRIMARY KEY (tenant, provider, id)
);
CREATE TABLE revenue_schedule (
	tenant INTEGER NOT NULL, 
	entry_id VARCHAR(64) NOT NULL, 
	month VARCHAR(7) NOT NULL, 
	account VARCHAR(64) NOT NULL, 
	amount_minor BIGINT NOT NULL, 
	CONSTRAINT pk_revenue_schedule PRIMARY KEY (tenant, entry_id, month, account)
);
CREATE INDEX ix_revenue_schedule_tenant_month ON revenue_schedule (tenant, month);
CREATE TABLE sepa_mandate (
	tenant INTEGER NOT NULL, 
	id VARCHAR(35) NOT NULL, 
	customer_id VARCHAR(36) NOT NULL, 
	scheme VARCHAR(4) NOT NULL, 
	kind VARCHAR(4) NOT NULL, 
	holder VARCHAR(70) NOT NULL, 
	iban VARCHAR(34) NOT NULL, 
	bic VARCHAR(11) NOT NULL, 
	signed_on VARCHAR(10) NOT NULL, 
	state VARCHAR(8) NOT NULL, 
	reason VARCHAR(255) NOT NULL, 
	created_ns BIGINT NOT NULL, 
	created_by VARCHAR(64) NOT NULL, 
	CONSTRAINT pk_sepa_mandate PRIMARY KEY (tenant, id)
);
CREATE INDEX ix_sepa_mandate_tenant_customer_id ON sepa_mandate (tenant, customer_id);
CREATE TABLE service_plan (
	tenant INTEGER NOT NULL, 
	service_id VARCHAR(36) NOT NULL, 
	day VARCHAR(10) NOT NULL, 
	made_ns BIGINT NOT NULL, 
	tariff VARCHAR(64) NOT NULL, 
	was VARCHAR(64) NOT NULL, 
	made_by VARCHAR(64) NOT NULL, 
	CONSTRAINT pk_service_plan PRIMARY KEY (tenant, service_id, day, made_ns)
);
CREATE TABLE service_restriction (
	tenant INTEGER NOT NULL, 
	service_id VARCHAR(36) NOT NULL, 
	act VARCHAR(16) NOT NULL, 
	since_ns BIGINT NOT NULL, 
	request_id VARCHAR(36) NOT NULL, 
	CONSTRAINT pk_service_restriction PRIMARY KEY (tenant, service_id)
);
CREATE TABLE tariff_published (
	tenant INTEGER NOT NULL, 
	name VARCHAR(64) NOT NULL, 
	effective VARCHAR(10) NOT NULL, 
	sha256 VARCHAR(64) NOT NULL, 
	proposed_by VARCHAR(64) NOT NULL, 
	proposed_ns BIGINT NOT NULL, 
	approved_by VARCHAR(64) DEFAULT '' NOT NULL, 
	approved_ns BIGINT DEFAULT '0' NOT NULL, 
	CONSTRAINT pk_tariff_published PRIMARY KEY (tenant, name, effective, sha256)
);
CREATE TABLE voucher (
	tenant INTEGER NOT NULL, 
	id VARCHAR(64) NOT NULL, 
	series VARCHAR(64) NOT NULL, 
	currency VARCHAR(3) NOT NULL, 
	amount_minor BIGINT NOT NULL, 
	expires_ns BIGINT NOT NULL, 
	made_ns BIGINT NOT NULL, 
	made_by VARCHAR(64) NOT NULL, 
	used_by VARCHAR(36) NOT NULL, 
	used_ns BIGINT NOT NULL, 
	CONSTRAINT pk_voucher PRIMARY KEY (tenant, id)
);
CREATE INDEX ix_voucher_tenant_series ON voucher (tenant, series);
CREATE TABLE vrf_address (
	tenant INTEGER NOT NULL, 
	vrf VARCHAR(64) NOT NULL, 
	address VARCHAR(64) NOT NULL, 
	device_no INTEGER NOT NULL, 
	CONSTRAINT pk_vrf_address PRIMARY KEY (tenant, vrf, address), 
	CONSTRAINT fk_vrf_address_device_no_device FOREIGN KEY(device_no) REFERENCES device (no)
);
CREATE INDEX ix_vrf_address_tenant_device_no ON vrf_address (tenant, device_no);
INSERT INTO alembic_version VALUES ('0004');
COMMIT;
