module github.com/cantonlb/cantonlb/lease/pglease

go 1.25.0

require (
	github.com/cantonlb/cantonlb v0.0.0
	github.com/jackc/pgx/v5 v5.12.0
	github.com/stretchr/testify v1.11.1
	go.uber.org/goleak v1.3.0
)
