"""What a CRM holds: tables, mappings from exports, the store, and a simulated CRM."""
