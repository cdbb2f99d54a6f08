# The stock service: says how many of an item are left, from PostgreSQL.
#
# An ordinary program, one process a connection. It knows nothing of tracing.
use strict;
use warnings;

use DBI;
use IO::Socket::INET;

my $database;

sub quantity {
    my ($item) = @_;
    $database //= DBI->connect(
        "dbi:Pg:dbname=postgres;host=127.0.0.1;port=$ENV{POSTGRES_PORT};sslmode=disable;gssencmode=disable",
        'shop', undef,
        # One round trip a query: the statement is not prepared beforehand.
        { RaiseError => 1, AutoCommit => 1, pg_server_prepare => 0 },
    );
    my ($left) = $database->selectrow_array(
        'SELECT quantity FROM stock WHERE item = ?', undef, $item % 100);
    return $left;
}

# Answers the requests of one connection until the other side closes it.
sub serve {
    my ($connection) = @_;
    while (defined(my $request = <$connection>)) {
        while (defined(my $header = <$connection>)) {
            last if $header =~ /^\r?\n$/;
        }
        my ($status, $body) = ('404 Not Found', '{"error":"no such item"}');
        if ($request =~ m{^GET /stock/(\d+) }) {
            my $left = eval { quantity($1) };
            if (defined $left) {
                ($status, $body) = ('200 OK', qq({"quantity":$left}));
            } elsif ($@) {
                warn $@;
                ($status, $body) = ('500 Internal Server Error', '{"error":"database"}');
            }
        }
        syswrite $connection,
            "HTTP/1.1 $status\r\nContent-Type: application/json\r\n"
            . 'Content-Length: ' . length($body) . "\r\n\r\n$body";
    }
}

my $server = IO::Socket::INET->new(
    LocalAddr => '127.0.0.1',
    LocalPort => $ENV{STOCK_PORT},
    Listen    => 1024,
    ReuseAddr => 1,
) or die "cannot listen on port $ENV{STOCK_PORT}: $@";

$SIG{CHLD} = 'IGNORE';
while (my $connection = $server->accept) {
    my $child = fork;
    die "cannot fork: $!" unless defined $child;
    if ($child == 0) {
        close $server;
        serve($connection);
        exit 0;
    }
    close $connection;
}
